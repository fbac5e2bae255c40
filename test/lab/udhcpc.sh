#!/bin/sh
# What udhcpc does with a lease in the lab: address, route, resolver, as a system's own script would.
case $1 in
  deconfig)
    ip address flush dev "$interface"
    ;;
  bound | renew)
    ip address replace "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
    : >/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
    [ -z "$domain" ] || echo "search $domain" >>/etc/resolv.conf
    echo "LEASE $1 $ip mask=$mask router=$router dns=$dns domain=$domain lease=$lease"
    ;;
  nak)
    echo "NAK $message"
    ;;
esac
