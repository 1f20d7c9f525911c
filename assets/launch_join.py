"""Start-up script for Blender: enable the Mixer add-on, connect it to a relay and enter a room, with no click.

    blender [FILE.blend] --python launch_join.py -- --host=HOST --port=PORT --room=ROOM [--user=NAME]
            [--mode=auto|join|create] [--status=FILE] [--patience=SECONDS]

`auto` joins the room when the relay lists it and makes it when not. A FILE.blend must come before --python: loading one
after connecting disconnects Mixer. Joining replaces the open scene.

The status file always holds the newest state, replaced as a whole, as a JSON object:
    state    starting, connecting, waiting, joining, creating, joined, failed
    reason   why it failed, for programs: addon-missing, addon-broken, unknown-host, no-relay, no-answer, room-missing,
             room-exists, versions-differ, refused, connection-lost, script-error
    detail   the same for people
    addon    the add-on's module: `mixer`, or `bl_ext.<repository>.mixer` when it is installed as an extension
    blender  Blender's version
joined and failed are final. Patience bounds each wait for somebody who may never come (an answer, a room to be listed, a
refusal to be lifted); a colleague's upload and our own replay may take as long as they take.

What the script sets in the preferences is for this run only: Blender is told not to save them on exit.
"""

import argparse
import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback

import addon_utils
import bpy

# Blender's window stands still while the add-on connects, and the add-on itself sets no limit (minutes on most systems).
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.5
LOOK_SECONDS = 0.05
# The list of rooms follows the answer that told our id.
ROOM_LIST_SECONDS = 0.2
# On Windows a file cannot be replaced in the moment somebody opens it.
WRITE_ATTEMPTS = 5


class Failure(Exception):
    """An end that has a name."""

    def __init__(self, reason, detail):
        super().__init__(detail)
        self.reason = reason


class Status:
    """Tells the launcher where we are."""

    def __init__(self, path):
        self._path = path
        self._last = None
        self.addon = ""

    def tell(self, state, detail="", reason=""):
        now = {
            "state": state,
            "reason": reason,
            "detail": str(detail),
            "addon": self.addon,
            "blender": bpy.app.version_string,
        }
        if now == self._last:
            return
        self._last = now
        text = json.dumps(now)
        print("MIXDESK", text, flush=True)
        if self._path:
            self._write(text)

    def _write(self, text):
        # The launcher may have ended and taken the folder along: Blender goes on without it.
        for _ in range(WRITE_ATTEMPTS):
            try:
                with open(self._path + ".new", "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(self._path + ".new", self._path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.02)


class Refusals(logging.Handler):
    """Keeps the relay's last refusal: the add-on only logs it, and believes that it is in the room."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record):
        self.text = record.getMessage()


class Patience:
    """How long to wait for somebody who may never come."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def check(self, reason, detail):
        if time.monotonic() > self._end:
            raise Failure(reason, detail)


def arguments():
    parser = argparse.ArgumentParser(prog="launch_join", allow_abbrev=False)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--room", required=True)
    parser.add_argument("--user")
    parser.add_argument("--mode", choices=["auto", "join", "create"], default="auto")
    parser.add_argument("--status")
    parser.add_argument("--patience", type=float, default=30.0)
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    return parser.parse_args(given)


def keep_preferences_unsaved():
    """What is set below must not become the artist's own settings."""
    # The switch is in no preference itself, so that saving by hand does not keep it either.
    bpy.app.use_userpref_skip_save_on_exit = True


def addon_names():
    """The modules that are Mixer, those the artist has enabled first."""
    enabled = bpy.context.preferences.addons
    names = [module.__name__ for module in addon_utils.modules()]
    names = [name for name in names if name == "mixer" or (name.startswith("bl_ext.") and name.endswith(".mixer"))]
    return sorted(names, key=lambda name: (name not in enabled, name != "mixer", name))


def enable_addon():
    """The name of the first Mixer that loads."""
    names = addon_names()
    if not names:
        raise Failure("addon-missing", f"Blender {bpy.app.version_string}")
    problems = []
    for name in names:
        errors = []

        def note(error):
            traceback.print_exc()
            errors.append(error)

        loaded = addon_utils.check(name)[1]
        # The add-on reads its entry in the preferences while it registers, so there must be one (`default_set`).
        if loaded or addon_utils.enable(name, default_set=True, persistent=True, handle_error=note):
            return name
        problems.append(f"{name}: {errors[-1] if errors else 'refused by Blender'}")
    raise Failure("addon-broken", f"Blender {bpy.app.version_string}: {'; '.join(problems)}")


class Mixer:
    """The add-on, whatever its module is called."""

    def __init__(self, name):
        self._shared = importlib.import_module(name + ".share_data").share_data
        self.connection = importlib.import_module(name + ".connection")
        self.version = sys.modules[name].display_version
        self.preferences = bpy.context.preferences.addons[name].preferences
        self.refusals = Refusals()
        logging.getLogger(name + ".broadcaster.client").addHandler(self.refusals)

    @property
    def client(self):
        """The connection, while there is one."""
        client = self._shared.client
        if client is None or not client.is_connected():
            raise Failure("connection-lost", "")
        return client

    def connect(self):
        """Connects, or raises what stood in the way."""
        socket.setdefaulttimeout(CONNECT_SECONDS)
        try:
            self.connection.connect()
        finally:
            socket.setdefaulttimeout(None)
        # The limit was for reaching the relay. Later the add-on expects sockets that wait.
        self.client.socket.settimeout(None)


def fill_preferences(preferences, options):
    preferences.host = options.host
    preferences.port = options.port
    preferences.room = options.room
    # Else the add-on starts a Python relay of its own when none answers on this computer.
    preferences.no_start_server = True
    preferences.ignore_version_check = False
    if options.user:
        preferences.user = options.user


def connect(mixer, options, status):
    """Tries until a relay answers."""
    target = f"{options.host}:{options.port}"
    patience = Patience(options.patience)
    detail = target
    while True:
        status.tell("connecting", detail)
        try:
            mixer.connect()
            break
        except socket.gaierror as error:
            reason, why = "unknown-host", error.strerror or error
        except socket.timeout:
            reason, why = "no-relay", "no answer"
        except RuntimeError:
            # All that the add-on tells of a refused connection, in words about its own switches.
            reason, why = "no-relay", "connection refused"
        except OSError as error:
            reason, why = "no-relay", error.strerror or error
        detail = f"{target} ({why})"
        patience.check(reason, detail)
        yield RETRY_SECONDS
    patience = Patience(options.patience)
    while mixer.client.client_id is None or mixer.client.client_id not in mixer.client.clients_attributes:
        patience.check("no-answer", target)
        yield LOOK_SECONDS
    yield ROOM_LIST_SECONDS


def check_versions(mixer, room):
    if room.get("ignore_version_check", False):
        return
    there = (room.get("blender_version", ""), room.get("mixer_version", ""))
    here = (bpy.app.version_string, mixer.version)
    if there != here:
        raise Failure(
            "versions-differ",
            f"the room has Blender {there[0]} and Mixer {there[1]}, "
            f"this computer has Blender {here[0]} and Mixer {here[1]}",
        )


def enter(mixer, options, status):
    """Joins or makes the room; comes back when in it."""
    patience = Patience(options.patience)
    while True:
        room = mixer.client.rooms_attributes.get(options.room)
        if room is None and options.mode == "join":
            status.tell("waiting", f"{options.room} is not listed yet")
            patience.check("room-missing", options.room)
            yield LOOK_SECONDS
            continue
        if room is not None and options.mode == "create":
            raise Failure("room-exists", options.room)
        if room is not None and not room.get("joinable", False):
            status.tell("waiting", f"the first person in {options.room} is still sending the scene")
            # The wait has an end of its own: when that person leaves, the room goes too.
            patience = Patience(options.patience)
            yield LOOK_SECONDS
            continue
        if room is not None:
            check_versions(mixer, room)
        mixer.refusals.text = ""
        status.tell("creating" if room is None else "joining")
        vrtist = not (room or {}).get("generic_protocol", True)
        mixer.connection.join_room(options.room, vrtist, None, False)
        while not is_in(mixer, options.room):
            refused = mixer.refusals.text
            if refused and not mixer.client._joining and my_room(mixer) != options.room:
                break
            yield LOOK_SECONDS
        else:
            return
        # Two who make the same room at once: the slower one is refused, and joins the other's in the next round.
        mixer.connection.leave_current_room()
        status.tell("waiting", refused)
        patience.check("refused", refused)
        yield RETRY_SECONDS


def my_room(mixer):
    return mixer.client.clients_attributes.get(mixer.client.client_id, {}).get("room")


def is_in(mixer, name):
    joinable = mixer.client.rooms_attributes.get(name, {}).get("joinable", False)
    return my_room(mixer) == name and joinable and not mixer.client._joining


def steps(options, status):
    """The whole way in, as a generator of pauses in seconds: Blender stays usable meanwhile."""
    keep_preferences_unsaved()
    status.addon = enable_addon()
    mixer = Mixer(status.addon)
    fill_preferences(mixer.preferences, options)
    yield from connect(mixer, options, status)
    yield from enter(mixer, options, status)
    objects = len(bpy.data.objects)
    status.tell("joined", f"{objects} objects, Blender {bpy.app.version_string}, Mixer {mixer.version} ({status.addon})")


def start():
    options = arguments()
    status = Status(options.status)
    status.tell("starting")
    way = steps(options, status)

    # The splash screen would cover the scene that is about to come. Blender decides on it after this script has run and
    # before the first tick, so the artist's own choice is back before anybody could save it.
    view = bpy.context.preferences.view
    show_splash = view.show_splash
    view.show_splash = False

    def tick():
        view.show_splash = show_splash
        try:
            return next(way)
        except StopIteration:
            return None
        except Failure as failure:
            status.tell("failed", failure, failure.reason)
        except Exception as error:
            traceback.print_exc()
            status.tell("failed", f"{type(error).__name__}: {error}", "script-error")
        return None

    bpy.app.timers.register(tick, first_interval=LOOK_SECONDS, persistent=True)


start()
