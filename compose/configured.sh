#!/bin/sh
# configured.sh FILE: prints a configuration as it is shipped, with what differs in these containers changed, and nothing else. The
# environment says to what:
#
#   inline.yaml         APPLICATION  its host and port     TRUSTED_HOPS  proxies of your own in front of Envoy
#                       OPERATORS    the address at which console and admin listen
#   authz.yaml          STATUS       of a denial           OPERATORS     as above
#   dynamic.yaml        SERVICE      the authz service     APPLICATION   its host and port
#   auth_request.conf   as dynamic.yaml
#
# What there is to change, or what you have changed to the same already, must be there: else this fails, and says so.

set -eu

file=$1
text=$(cat "$file")

# change OLD NEW: everywhere. Neither has a `|` in it, nor what means something to sed.
change() {
    case $text in
        *"$1"*) text=$(printf '%s\n' "$text" | sed "s|$1|$2|g") ;;
        *"$2"*) ;;
        *)
            printf 'configured.sh: %s has no "%s", which was to become "%s"\n' "$file" "$1" "$2" >&2
            exit 1
            ;;
    esac
}

# What is published of a container does not come from a loopback address, so the console wants a token.
listens_for_operators() {
    change 'address: 127.0.0.1, port_value: 9901' "address: $OPERATORS, port_value: 9901"
    change 'address: 127.0.0.1, port_value: 9902' "address: $OPERATORS, port_value: 9902"
    change '{ "console": {} }' '{ "console": { "tokens": { "alice": { "environment_variable": "TOLLGATE_TOKEN_ALICE" } } } }'
    change '# For tokens: environment_variables' 'environment_variables'
}

case $file in
    *inline.yaml)
        change 'xff_num_trusted_hops: 0' "xff_num_trusted_hops: $TRUSTED_HOPS"
        change 'address: app.internal, port_value: 8000' "address: ${APPLICATION%:*}, port_value: ${APPLICATION##*:}"
        listens_for_operators
        ;;
    *authz.yaml)
        change 'address: 127.0.0.1, port_value: 10001' 'address: 0.0.0.0, port_value: 10001'
        change '"status": 403' "\"status\": $STATUS"
        listens_for_operators
        ;;
    *dynamic.yaml)
        change 'http://127.0.0.1:10001' "http://$SERVICE"
        change 'http://127.0.0.1:8000' "http://$APPLICATION"
        ;;
    *auth_request.conf)
        change 'server 127.0.0.1:10001;' "server $SERVICE;"
        change 'server 127.0.0.1:8000;' "server $APPLICATION;"
        change '/var/log/nginx/tollgate.log' '/dev/stdout'
        ;;
    *)
        printf 'configured.sh: %s is none of inline.yaml, authz.yaml, dynamic.yaml, auth_request.conf\n' "$file" >&2
        exit 1
        ;;
esac
printf '%s\n' "$text"
