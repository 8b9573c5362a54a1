"""The servers that Neurona's serving is measured beside; each reads its weights from the file named by PEER_MODEL."""
