"""Turns nginx/auth_request.conf into a configuration that runs here, on its own: `nginx_conf.py DIRECTORY --port …`.

It writes DIRECTORY/nginx.conf, and prints the port. Only addresses are replaced; all that nginx writes lies in DIRECTORY.
"""

import argparse
import getpass
import socket
import sys
from pathlib import Path

from bootstrap import REPLY, Mistake, check_free, host_and_port

SHIPPED = Path(__file__).resolve().parents[1] / "nginx/auth_request.conf"

# What nginx itself wants to have; the shipped file is for its conf.d.
WHOLE = """daemon off;
user {user};
worker_processes 2;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/auth_request.conf;
{application}}}
"""

# In the application's place, if there is none. (Not a `return` in the gate's own location: that would come before the gate.)
BUILT_IN = """    server {{
        listen unix:{directory}/application.sock;
        access_log off;
        default_type text/plain;
        return 200 "{reply}";
    }}
"""


def replaced(text, old, new):
    """The text with what was shipped replaced by what is here."""
    if old not in text:
        raise Mistake(f"nginx/auth_request.conf has no `{old}`")
    return text.replace(old, new)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def bracketed(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, required=True, help="where nginx listens on loopback; 0 is any free port")
    parser.add_argument("--service", required=True, help="HOST:PORT of the authz service")
    parser.add_argument("--upstream", required=True, help="HOST:PORT; `none` for a built-in reply")
    options = parser.parse_args()

    check_free("127.0.0.1", options.port)
    port = options.port or free_port()
    directory = options.directory.resolve()
    if options.upstream == "none":
        application = f"unix:{directory}/application.sock"
    else:
        application = bracketed(*host_and_port(options.upstream))
    text = replaced(SHIPPED.read_text(), "127.0.0.1:10001", options.service)
    text = replaced(text, "127.0.0.1:8000", application)
    text = replaced(text, "listen 80;", f"listen 127.0.0.1:{port};")
    text = replaced(text, "/var/log/nginx/tollgate.log", "/dev/stdout")
    (directory / "auth_request.conf").write_text(text)
    reply = BUILT_IN.format(directory=directory, reply=REPLY.replace("\n", "\\n")) if options.upstream == "none" else ""
    whole = WHOLE.format(directory=directory, user=getpass.getuser(), application=reply)
    (directory / "nginx.conf").write_text(whole)
    print(port)


if __name__ == "__main__":
    try:
        main()
    except Mistake as mistake:
        sys.exit(str(mistake))
