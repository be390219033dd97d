"""Layers that several networks share: equalised learning rates, FIR resampling, lean convolutions, modulation."""
