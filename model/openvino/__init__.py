"""Networks compiled for the CPU by OpenVINO."""
