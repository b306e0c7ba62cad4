#!/bin/bash
# Stands in for IBC's scripts/ibcstart.sh: the same options, the same checks, the same names of
# what it needs, and it too runs Java again and again and hands on SIGTERM.
set -u

fail() { echo "ibcstart: $2" >&2; exit "$1"; }
tws_path=~/Jts ibc_path=/opt/ibc ibc_ini=~/ibc/config.ini java_path= settings= version= gateway= mode=
for argument; do
    case $argument in
        -g | --gateway) gateway=1 ;;
        --tws-path=*) tws_path=${argument#*=} ;;
        --tws-settings-path=*) settings=${argument#*=} ;;
        --ibc-path=*) ibc_path=${argument#*=} ;;
        --ibc-ini=*) ibc_ini=${argument#*=} ;;
        --java-path=*) java_path=${argument#*=} ;;
        --mode=*) mode=${argument#*=} ;;
        --user=* | --pw=*) fail 3 "a secret among the arguments is in every process list" ;;
        --on2fatimeout=restart | --on2fatimeout=exit) ;;
        -*) fail 3 "invalid parameter '$argument'" ;;
        *) [ -z "$version" ] || fail 3 "invalid parameter '$argument'"; version=$argument ;;
    esac
done
[ -n "$version" ] || fail 2 "no version"
[ -n "$gateway" ] || fail 3 "this stands in for the Gateway only"
program=$tws_path/ibgateway/$version
settings=${settings:-$tws_path}
[ -e "$settings" ] || fail 5 "no settings path: $settings"
[ -e "$program/jars" ] || fail 4 "version $version is not installed: no $program/jars"
[ -e "$ibc_path" ] || fail 5 "no IBC path: $ibc_path"
[ -e "$ibc_ini" ] || fail 6 "no configuration: $ibc_ini"
[ -e "$program/ibgateway.vmoptions" ] || fail 7 "no ibgateway.vmoptions"
[ -z "$java_path" ] || [ -e "$java_path/java" ] || fail 1 "no Java in $java_path"
if [ -z "$java_path" ]; then
    read -r java < "$program/.install4j/inst_jre.cfg"
    java_path=$java/bin
fi
[ -e "$java_path/java" ] || fail 1 "no Java in $java_path"
# The real one lets nothing start the Gateway without IBC.
if [ -e "$program/ibgateway" ]; then mv "$program/ibgateway" "$program/ibgateway1"; fi

while :; do
    trap 'kill -TERM $pid' TERM INT
    "$java_path/java" -cp "$program/jars/jts.jar:$ibc_path/IBC.jar" -DjtsConfigDir="$settings" \
        ibcalpha.ibc.IbcGateway "$ibc_ini" $mode &
    pid=$!
    wait $pid
    trap - TERM INT
    wait $pid
    code=$?
    echo "IBC returned exit status $code"
    [ $((code % 256)) = 87 ] || exit $code
done
