"""Ablation studies of transfer learning, and which of their differences are real."""

from ablation import waiting

# Before anything here can load torch, which reads it once.
waiting.share_cores()
