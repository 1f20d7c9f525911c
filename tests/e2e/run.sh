#!/usr/bin/env bash
# Two real windows on a display of their own, worked with mouse and keyboard: one hosts, the other joins, and
# the host is killed and started again.
# What came of it is read from `mixdesk rooms`, logs and exit codes; the pictures are for people.
#
# usage: tests/e2e/run.sh PROGRAM FOLDER
#   PROGRAM  the mixdesk program to test
#   FOLDER   where pictures and logs go
#
# Exit codes: 0 all is well, 1 something is not, 2 wrong use, 3 something this script needs is missing.
set -euo pipefail

if [[ $# -ne 2 || ! -x $1 ]]; then
    sed -n 's/^# \{0,1\}//; 2,10p' "$0" >&2
    exit 2
fi
program=$(realpath "$1")
mkdir -p "$2"
artefacts=$(realpath "$2")

# Where to click, in points from the inside of a window of 1040 × 680: see the constants of src/gui.
name_field='200 117'
host_field='200 157'
port_field='120 197'
connect_button='155 238'
new_room_field='680 78'
create_button='826 78'
first_row='450 150'
join_button='376 651'

room='Shot 12'
# Another address of this computer: there Connect starts no server, as for another computer.
elsewhere=127.0.0.2
# How long anything may take, in seconds. Long, as such machines are shared and draw without a GPU.
patience=30
# How long a program may take to end after SIGTERM, in milliseconds.
end_patience=10000

missing=()
for need in Xvfb:xvfb openbox:openbox xdotool:xdotool import:imagemagick; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need%%:*} (Debian: ${need##*:})")
done
if [[ ${#missing[@]} -gt 0 ]]; then
    printf 'e2e: %s is missing\n' "${missing[@]}" >&2
    exit 3
fi

# Only our own display counts, also for the picture of a failure.
unset DISPLAY WAYLAND_DISPLAY WAYLAND_SOCKET
export LIBGL_ALWAYS_SOFTWARE=1
work=$(mktemp -d)
own=()

# Ends a process of ours, if it still runs: its number may be somebody else's by then.
end() {
    jobs -pr | grep -qx "$1" || return 0
    kill "$1" 2>/dev/null || true
    for _ in {1..100}; do
        ended "$1" && return 0
        sleep 0.05
    done
    kill -KILL "$1" 2>/dev/null || true
}

finish() {
    local code=$?
    trap - EXIT
    # What fails here is not to keep the rest from being tidied up.
    set +e
    if [[ $code -ne 0 && -n ${DISPLAY:-} ]]; then
        timeout "$patience" import -silent -window root "$artefacts/failed.png" || true
    fi
    # The display last, as what is on it fails badly without.
    for ((at = ${#own[@]} - 1; at >= 0; at--)); do
        end "${own[at]}"
    done
    for window in one two; do
        cat "$work/$window"/log*/*.log >"$artefacts/$window.log" 2>/dev/null || true
    done
    if [[ $code -ne 0 ]]; then
        for said in one.log two.log xvfb.out openbox.out; do
            echo "e2e: $said ends with" >&2
            tail -n 20 "$artefacts/$said" >&2 || true
        done
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'e2e: %s\n' "$*"; }
fail() {
    printf 'e2e: FAILED: %s\n' "$*" >&2
    exit 1
}
millis() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Waits until a command succeeds: soon WHAT COMMAND…
soon() {
    local what=$1 end=$((SECONDS + patience))
    shift
    until "$@"; do
        ((SECONDS < end)) || fail "no $what within $patience s"
        sleep 0.02
    done
}

ended() { ! kill -0 "$1" 2>/dev/null; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
is_free() { ! listens "$1"; }
logged() { grep -qs -- "$2" "$work/$1"/log/*.log; }
lines() { cat "$work/$1"/log/*.log | wc -l; }
# Whether a window logged it after so many lines: logged_after NAME LINES WORDS
logged_after() { cat "$work/$1"/log/*.log | tail -n "+$(($2 + 1))" | grep -q -- "$3"; }
answered() { [[ -s $work/display ]]; }
manages() { xdotool get_desktop >/dev/null 2>&1; }
# Sets `window` to the window of a process, once it is shown.
shown() {
    window=$(xdotool search --onlyvisible --all --pid "$1" --name '^Mixdesk$' 2>/dev/null | head -n 1)
    [[ -n $window ]]
}

# Whether the host's list of rooms says so of the room: listed WORDS
listed() {
    MIXDESK_HOME=$work/asking timeout "$patience" "$program" rooms "127.0.0.1:$port" --json 2>/dev/null |
        grep -F "\"room\":\"$room\"" | grep -qF "$1"
}

# Whether the room comes to be listed with so many people, soon after it was clicked for.
comes_to_have() {
    for _ in {1..20}; do
        listed "\"people\":$1" && return
        sleep 0.05
    done
    return 1
}

# A port outside of those that the system gives to anybody who asks for any.
free_port() {
    local candidate
    for _ in {1..100}; do
        candidate=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
        if is_free "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Waits until nothing moves any more, and remembers how it looks then.
settle() {
    local now=$work/now.ppm before=$work/before.ppm
    import -silent -window root "$now"
    for _ in {1..40}; do
        mv "$now" "$before"
        import -silent -window root "$now"
        if cmp -s "$now" "$before"; then
            break
        fi
    done
}

# Takes a picture once nothing moves any more: picture NAME
picture() {
    settle
    convert "$work/now.ppm" "$artefacts/$1.png" 2>/dev/null || magick "$work/now.ppm" "$artefacts/$1.png"
}

# Whether the screen looks different from when it last settled.
moved() {
    import -silent -window root "$work/moved.ppm"
    ! cmp -s "$work/moved.ppm" "$work/now.ppm"
}

# Moves the pointer to a point of a window: point WINDOW X Y
point() {
    timeout "$patience" xdotool windowactivate --sync "$1" mousemove --sync --window "$1" "$2" "$3" ||
        fail "cannot point at $2, $3"
}

# Clicks at a point of a window: click WINDOW X Y
click() {
    point "$@"
    settle
    xdotool click 1
}

# Types over what a field says: type_into WINDOW X Y TEXT
type_into() {
    point "$1" "$2" "$3"
    settle
    soon 'field to type into' enters_field
    xdotool key ctrl+a type --delay 15 "$4"
}

# As a person does, types only once the field shows that it was clicked: what comes in one frame with
# the click is not for the field yet.
enters_field() {
    xdotool click 1
    for _ in {1..10}; do
        moved && return
    done
    return 1
}

# Starts a window: start NAME X PERSON. Sets `pid` and `window`.
start() {
    local began mapped started
    # The machine's own networks are left alone.
    mkdir -p "$work/$1"
    [[ -e $work/$1/settings.toml ]] || printf 'announce = false\ndiscover = false\n' >"$work/$1/settings.toml"
    began=$(millis)
    MIXDESK_HOME=$work/$1 "$program" >"$artefacts/$1.out" 2>&1 &
    pid=$!
    own+=("$pid")
    soon "window $1" shown "$pid"
    mapped=$(($(millis) - began))
    soon "log of window $1" logged "$1" 'started'
    started=$(grep -hm1 'started' "$work/$1"/log/*.log)
    started=$(($(date -d "${started%% *}" +%s%3N) - began))
    say "window $1: backend started after $started ms, mapped after $mapped ms"
    timeout "$patience" xdotool windowmove --sync "$window" "$2" 40 || fail "cannot move window $1"
    type_into "$window" $name_field "$3"
}

port=$(free_port) || fail 'no port is free'
# A display starts over when its last client leaves, and turns away who comes meanwhile: not here, where the
# first to ask whether there is a window manager may come and leave just before it.
Xvfb -displayfd 3 -screen 0 2200x800x24 -nolisten tcp -noreset 3>"$work/display" >"$artefacts/xvfb.out" 2>&1 &
own+=($!)
soon 'display' answered
export DISPLAY=:$(<"$work/display")
# Without the user's own settings, Alt+F4 closes a window.
XDG_CONFIG_HOME=$work/openbox openbox >"$artefacts/openbox.out" 2>&1 &
own+=($!)
soon 'window manager' manages

start one 20 Ada
one=$window one_pid=$pid
picture 1-start
type_into "$one" $port_field "$port"
click "$one" $connect_button
soon 'host' listens "$port"
soon 'session of the host' logged one 'online'
picture 2-hosting
# A click may come before what it is for has been painted: then once more.
makes_room() {
    type_into "$one" $new_room_field "$room"
    click "$one" $create_button
    comes_to_have 1
}
soon 'room' makes_room
picture 3-room

start two 1110 Bo
two=$window two_pid=$pid
type_into "$two" $host_field "$elsewhere"
type_into "$two" $port_field "$port"
picture 4-typed
click "$two" $connect_button
soon 'session of the guest' logged two 'online'
# joins WINDOW PICTURE
joins() {
    click "$1" $first_row
    picture "$2"
    click "$1" $join_button
    comes_to_have 2
}
soon 'second person' joins "$two" 5-selected
picture 6-joined

# Nothing is put away then, and nobody is told.
kill -KILL "$one_pid"
soon 'end of the killed host' ended "$one_pid"
wait "$one_pid" 2>/dev/null || true
mv "$work/one/log" "$work/one/log-killed"
start one 20 Ada
one=$window one_pid=$pid
click "$one" $connect_button
soon 'host again' listens "$port"
soon 'room brought back' logged one 'brought back'
# It may be waiting between two attempts, longer after each.
patience=90 soon 'guest who comes back by itself' listed '"people":1'
soon 'host in the room again' joins "$one" 7-brought-back
picture 8-again

for window in "$one" "$two"; do
    timeout "$patience" xdotool windowsize --sync "$window" 720 520 || fail 'a window does not become small'
done
timeout "$patience" xdotool windowactivate --sync "$one"
picture 9-small

xdotool key alt+F4
soon 'question' moved
picture 10-asks
ended "$one_pid" && fail 'the host closed without asking'
listed '"people":2' || fail 'the host ended the session before it was answered'
told=$(lines two)
# The keyboard is on Stay, and Quit is next.
xdotool key Tab key Return
soon 'end of the host' ended "$one_pid"
code=0
wait "$one_pid" || code=$?
[[ $code -eq 0 ]] || fail "the host ended with exit code $code"
soon 'free port' is_free "$port"
soon 'loss' logged_after two "$told" 'closed the connection'
picture 11-lost

began=$(millis)
kill -TERM "$two_pid"
soon 'end of the guest' ended "$two_pid"
took=$(($(millis) - began))
code=0
wait "$two_pid" || code=$?
[[ $code -eq 0 ]] || fail "the guest ended with exit code $code"
((took < end_patience)) || fail "the guest took $took ms to end"
for window in one two; do
    logged "$window" 'ended$' || fail "window $window did not end in order"
    if logged "$window" ERROR; then
        fail "window $window logged an error"
    fi
done
say "the guest ended $took ms after SIGTERM"
say "all is well, see $artefacts"
