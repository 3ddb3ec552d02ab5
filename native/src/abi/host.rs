//! A host in Envoy's place.
