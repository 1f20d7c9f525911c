#!/bin/sh
# Stands in for Blender: plays the scenario that the room's name asks for. The folder that holds the folder of this start
# belongs to the test: `go` in it is a pipe to wait for the test, `done` one to tell it something.

for argument in "$@"; do
    case "$argument" in
        --status=*) status=${argument#--status=} ;;
        --room=*) room=${argument#--room=} ;;
    esac
done
stage=$(dirname "$(dirname "$status")")

tell() {
    printf '%s' "$1" > "$status.new"
    mv "$status.new" "$status"
}

wait_for_test() {
    read -r _ < "$stage/go"
}

case "$room" in
    story)
        printf '%s\n' "$@" > "$stage/arguments"
        tell '{"state":"starting"}'
        wait_for_test
        # A process group of its own: a signal to it reaches somebody.
        if kill -0 -$$; then group=own; else group=shared; fi
        tell "{\"state\":\"connecting\",\"detail\":\"$$ $group\"}"
        wait_for_test
        tell '{"state":"joined","detail":"3 objects"}'
        wait_for_test
        ;;
    failing)
        tell '{"state":"failed","reason":"addon-missing","detail":"Blender 3.4.1"}'
        wait_for_test
        ;;
    hasty)
        tell '{"state":"failed","reason":"no-relay","detail":"127.0.0.1:9"}'
        ;;
    crashing)
        echo 'First words'
        echo 'Unable to open a display' >&2
        exit 3
        ;;
    closing) ;;
    noisy)
        tell 'no JSON'
        wait_for_test
        head -c 70000 /dev/zero | tr '\0' ' ' > "$status.new"
        printf '{"state":"joined"}' >> "$status.new"
        mv "$status.new" "$status"
        wait_for_test
        tell '{"state":"waiting","detail":"heard"}'
        wait_for_test
        ;;
    lasting)
        wait_for_test
        echo 'still here' > "$stage/done"
        ;;
esac
