"""A real Envoy with the filter in it, a real upstream behind it, and clients that can say anything."""
