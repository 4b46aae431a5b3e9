"""`python -m tests.nodes`: a Ray cluster of two nodes of one CPU, as long as its input is open.

It listens on this machine alone where the environment says so, and prints its address.
"""

import sys

from ray.cluster_utils import Cluster

#: Bytes; Ray takes a third of the memory for each node otherwise.
STORE = {"object_store_memory": 100 * 2**20}

if __name__ == "__main__":
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **STORE}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, **STORE)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()
