"""Ablation studies of transfer learning: the grid from one command, and which differences are real."""
