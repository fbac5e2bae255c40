#!/bin/busybox sh
# The first process of a guest in v86: the emulated card's driver, an address by DHCP, then a shell on the serial port.
/bin/busybox mkdir -p /proc /sys /dev /etc /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
stty -echo
echo "hosts: files dns" >/etc/nsswitch.conf
insmod /lib/8390.ko
insmod /lib/ne2k-pci.ko
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -f -t 10 -T 2 -s /lib/udhcpc.sh
echo "guest ready"
exec sh
