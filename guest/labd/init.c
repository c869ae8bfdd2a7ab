// SPDX-License-Identifier: MIT
// /init, the first process: mounts what the tools expect, finds out which
// consoles this machine has, and becomes BusyBox init. A program and not a
// shell script, because each fork costs milliseconds on an emulated CPU.

#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void warn(const char *what)
{
	fprintf(stderr, "init: %s: %m\n", what);
}

static void mnt(const char *type, const char *where, const char *options)
{
	if (mount(type, where, type, 0, options) < 0)
		warn(where);
}

/* A reader may bring a kernel without one of these: say so and go on. */
static void mount_all(void)
{
	mnt("devtmpfs", "/dev", NULL);
	mnt("proc", "/proc", NULL);
	mnt("sysfs", "/sys", NULL);
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	mnt("devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666");
	mnt("tmpfs", "/dev/shm", "mode=1777");
	mnt("tmpfs", "/tmp", "mode=1777");
	mnt("tmpfs", "/run", "mode=755");
	mnt("debugfs", "/sys/kernel/debug", NULL);
	mnt("tracefs", "/sys/kernel/tracing", NULL);
}

/* The folder shared with the page, if it gave the machine one. */
static void mount_host(void)
{
	glob_t g;

	if (glob("/sys/bus/virtio/drivers/9pnet_virtio/virtio*/mount_tag", 0, NULL, &g) == 0) {
		if (mount("host9p", "/host", "9p", 0, "trans=virtio,version=9p2000.L") < 0)
			warn("/host");
		globfree(&g);
	}
}

/* One processor makes the kernel let a thread that wakes up take it away from the one that
 * has it for 1 ms of difference; eight make it 4 ms (sched_tunable_scaling). pblk wakes its
 * writer at each write, and on an emulated processor each change of threads costs 0.13 ms.
 * From half of sched_latency_ns on, 3 ms, which is what a sleeper is granted, there are half as
 * many, and a write of 64 KiB takes a sixth less. What waits for a key waits no longer. */
static void set_scheduler(void)
{
	int fd = open("/proc/sys/kernel/sched_wakeup_granularity_ns", O_WRONLY | O_CLOEXEC);

	/* Other kernels have it elsewhere, or not: they keep what they have. */
	if (fd < 0)
		return;
	if (write(fd, "4000000", 7) < 0)
		warn("sched_wakeup_granularity_ns");
	close(fd);
}

/* A shell on each serial port that has a chip behind it; the driver registers
 * four whatever there is. The '-' makes init give the shell its terminal, so
 * that job control works. */
static void write_inittab(void)
{
	FILE *in = fopen("/proc/tty/driver/serial", "r");
	FILE *out = fopen("/run/inittab", "w");
	char line[256];
	glob_t g;
	int n;

	if (!out) {
		warn("/run/inittab");
		return;
	}
	while (in && fgets(line, sizeof line, in))
		if (sscanf(line, "%d: uart:", &n) == 1 && !strstr(line, "uart:unknown"))
			fprintf(out, "ttyS%d::respawn:-/bin/sh\n", n);
	/* lab.exec and the trace have lines of their own: they never mix with
	 * what is typed. */
	if (access("/dev/hvc0", F_OK) == 0)
		fputs("null::respawn:/sbin/labd\n", out);
	/* There are eight nodes hvc*, whatever ports there are. */
	if (glob("/sys/class/virtio-ports/vport*p1", 0, NULL, &g) == 0) {
		fputs("null::respawn:/sbin/watchd\n", out);
		globfree(&g);
	}
	fputs("::shutdown:/sbin/unmount-all\n::restart:/bin/busybox init\n", out);
	fclose(out);
	if (in)
		fclose(in);
}

int main(void)
{
	char host[65] = "ocssd";
	int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t n = read(fd, host, sizeof host - 1);

		host[n > 0 ? strcspn(host, "\n") : 0] = 0;
		close(fd);
	}
	if (host[0])
		sethostname(host, strlen(host));
	umask(022);
	mount_all();
	set_scheduler();
	mount_host();
	write_inittab();
	execl("/bin/busybox", "init", (char *)NULL);
	warn("/bin/busybox");
	return 1;
}
