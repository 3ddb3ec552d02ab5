"""What Contour makes of the resources in `kubernetes/contour`: the parts of Envoy's configuration that Tollgate has to do with, written down
after its sources of August 2026 (`internal/envoy/v3/listener.go`, `cluster.go`), which are newer than its release 1.33.

Contour does not run here, and there is no TLS: a filter chain with it has the same connection manager.
"""

from __future__ import annotations

from harness import bootstrap
from harness.kubernetes import listener
from harness.layouts import typed

def config(proxy: dict, *, port: int, extension: dict | None = None, service: int = 0, trusted_hops: int = 0) -> dict:
    """A bootstrap for this HTTPProxy. `port` is where the service of its route really is; `service` where that of `extension` is, the
    ExtensionService that it asks. `trusted_hops`: Contour's `numTrustedHops`."""
    [route] = proxy["spec"]["routes"]
    assert len(route["services"]) == 1
    filters = [
        {"name": "envoy.filters.http.compressor", "typed_config": _compressor()},
        {"name": "envoy.filters.http.grpc_web", "typed_config": typed("filters.http.grpc_web.v3.GrpcWeb")},
        {
            "name": "envoy.filters.http.grpc_stats",
            "typed_config": typed("filters.http.grpc_stats.v3.FilterConfig", emit_filter_state=True, enable_upstream_stats=True),
        },
        {"name": "envoy.filters.http.cors", "typed_config": typed("filters.http.cors.v3.Cors")},
        {"name": "envoy.filters.http.rbac", "typed_config": typed("filters.http.rbac.v3.RBAC")},
    ]
    host = proxy["spec"]["virtualhost"]
    if extension:
        assert host["tls"], "else Contour takes no authorization"
        filters.append({"name": "envoy.filters.http.ext_authz", "typed_config": _ext_authz(host["authorization"], extension)})
    manager = {
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "http_protocol_options": {"accept_http_10": True},
        "use_remote_address": True,
        "xff_num_trusted_hops": trusted_hops,
        "normalize_path": True,
        "preserve_external_request_id": True,
        "merge_slashes": True,
        "stream_idle_timeout": "300s",
    }
    made = bootstrap.bootstrap(listeners=[listener("ingress", filters, manager)], lds=None, upstream_port=port, http2=False)
    if extension:
        made["static_resources"]["clusters"].append(_extension_cluster(extension, service))
    return made


def _extension_cluster(extension: dict, port: int) -> dict:
    spec, name = extension["spec"], _cluster(extension)
    assert len(spec["services"]) == 1
    assert spec["protocol"] == "h2c", "or Contour would speak TLS"
    options = typed("upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http2_protocol_options": {}})
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "connect_timeout": "2s",
        "type": "STATIC",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    }


def _cluster(extension: dict) -> str:
    return f"extension/{extension['metadata']['namespace']}/{extension['metadata']['name']}"


def _compressor() -> dict:
    return typed(
        "filters.http.compressor.v3.Compressor",
        compressor_library={"name": "gzip", "typed_config": typed("compression.gzip.compressor.v3.Gzip")},
        response_direction_config={"common_config": {"content_type": ["text/html", "text/plain", "application/json"]}},
    )


def _ext_authz(authorization: dict, extension: dict) -> dict:
    reference, metadata = authorization["extensionRef"], extension["metadata"]
    assert (reference["name"], reference["namespace"]) == (metadata["name"], metadata["namespace"])
    assert reference["apiVersion"] == extension["apiVersion"]
    assert authorization["serviceType"] == "http", "in gRPC it is not to be asked"
    settings = authorization["httpSettings"]
    assert set(settings) == {"allowedAuthorizationHeaders"}
    uri = {"uri": "http://dummy/", "cluster": _cluster(extension), "timeout": f"{int(authorization['responseTimeout'][:-2]) / 1000}s"}
    return typed(
        "filters.http.ext_authz.v3.ExtAuthz",
        clear_route_cache=True,
        failure_mode_allow=authorization.get("failOpen", False),
        status_on_error={"code": "Forbidden"},
        transport_api_version="V3",
        include_peer_certificate=True,
        http_service={"server_uri": uri},
        allowed_headers={"patterns": settings["allowedAuthorizationHeaders"]},
    )
