"""Published weights and how they are vetted, preprocessing, and networks that torch-fidelity does not bring."""
