from dataclasses import dataclass
@dataclass
class W: main_table: str; path: str
def write(client, study, results, config): return W("TABLE","x")
