"""Ablation studies of transfer learning, and which of their differences are real."""
