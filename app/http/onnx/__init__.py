"""Models as ONNX files: encoding, network and temperature in one graph that any ONNX runtime computes."""
