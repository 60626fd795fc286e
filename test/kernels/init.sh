#!/bin/busybox sh
# The first process of a kernel under test: runs every line of /checks, between marks on the console, and turns the machine off.
/bin/busybox --install /bin
export PATH=/bin HOME=/tmp TMPDIR=/tmp WEIR_SENSOR=/tests/sensor WEIR_CARDS=eth0,eth1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
for m in /modules/*.ko; do insmod "$m" || echo "insmod $m failed"; done
ip link set lo up
ulimit -l unlimited # before 5.11 programs and maps count as locked memory
cd /tests
while read -r name command; do
	echo
	echo "=== begin $name"
	# the patterns have no spaces and no stars
	$command </dev/null 2>&1
	echo "=== end $name $?"
done </checks
echo "=== done"
poweroff -f
