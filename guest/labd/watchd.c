// SPDX-License-Identifier: MIT
// watchd: shows the page what the kernel does, over a console of its own: the
// kernel's trace events as raw pages of a ring buffer, and samples of what
// pblk says of itself in sysfs. Where the kernel can, it tells the host of its
// events itself, one by one, and there are no pages. See PROTOCOL.md.
//
// It is off until the page says START, and then it has a trace instance of its
// own: what the user does with tracefs is neither seen nor touched. It sleeps
// until the kernel has an event, or the page says so; nothing it does itself is one of the events.

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define VERSION 2u
#define MAX_PAYLOAD 64u
#define TOO_LONG "frame over 64 bytes"
#define MAX_SEND (64u << 10)
#define PAGE 4096u
#define BUFFER_KB "1024"
#define MAX_DRAIN 512  /* pages at a time, so that a STOP is heard in a flood */
#define GATHER_MS 100  /* from the first event until it is sent, with all that came since */
#define MIN_INTERVAL 50
#define MAX_INTERVAL 60000
#define MAX_TARGETS 16
#define MAX_FILE 8192

enum { START = 1, STOP = 2, PING = 3, NUDGE = 4 };
enum { HELLO = 0x83, ERROR = 0x84, FORMATS = 0x85, PAGES = 0x86, SAMPLE = 0x87, STOPPED = 0x88 };
enum { NO_DIRTY_PAGES = 1, TELL_HOST = 2, NO_CHUNK_STATES = 4 }; /* flags of START */

static void handle(uint8_t type, uint32_t id, const uint8_t *p, uint32_t len);

#include "frames.h"

#define TRACING "/sys/kernel/tracing"
#define INSTANCE TRACING "/instances/lab"

#define RECORD_CMD TRACING "/options/record-cmd"

static const struct {
	const char *name, *filter;
	int flag; /* left out when START has it */
} events[] = {
	{ "pblk/pblk_line_state", NULL, 0 },
	{ "pblk/pblk_chunk_state", NULL, NO_CHUNK_STATES },
	{ "pblk/pblk_chunk_reset", NULL, 0 },
	{ "pblk/pblk_state", NULL, 0 },
	{ "block/block_bio_queue", "rwbs ~ \"*W*\" || rwbs ~ \"*D*\"", 0 },
	{ "ext4/ext4_es_insert_extent", NULL, 0 },
	{ "ext4/ext4_es_cache_extent", NULL, 0 },
	{ "f2fs/f2fs_submit_page_write", NULL, 0 },
	{ "sched/sched_process_fork", NULL, 0 },
	{ "sched/sched_process_exec", NULL, 0 },
	{ "task/task_rename", NULL, 0 },
	{ "writeback/writeback_dirty_page", NULL, NO_DIRTY_PAGES },
};
#define EVENTS (sizeof events / sizeof *events)

/* Small, and free of side effects. write_luns is left out: to say which LUNs
 * are busy it takes their write semaphores for a moment. What moves comes first:
 * the rest is read at every fourth sample, at the first, and at the last. */
static const char *const files[] = {
	"rate_limiter", "lines", "write_amp_mileage", "gc_state", "write_buffer",
	"padding_dist", "errors", "stats", "lines_info", "max_sec_per_write", "ppa_format",
};
#define FILES (sizeof files / sizeof *files)
#define LIVELY 5
#define ALL_EVERY 4

/* A target, with its files open: to find and open them is most of the work of a
 * sample. An open file keeps nobody from removing the target; reading fails then. */
struct target {
	char disk[32];
	char dev[32];
	int seen;
	int fds[FILES];
	uint32_t sent[FILES]; /* what was last sent: only what changed is sent again */
};

static struct target targets[MAX_TARGETS];
static int running;
static uint32_t run;         /* the id of START: each frame of this run has it */
static int raw = -1;         /* trace_pipe_raw */
static int mounts = -1;      /* polled for changes */
static int mounts_changed;
static int names_wanted;     /* the names of all processes are due, once */
static int interval;
static int wanted;           /* samples to come: one for what happened, one for how it ended */
static unsigned samples;     /* of this run */
static int64_t last_sample;
static int64_t gather_until; /* 0: nothing has happened, wait for it */

static int put_path(const char *path, const char *text)
{
	ssize_t n;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static int put_file(const char *name, const char *text)
{
	char path[160];

	snprintf(path, sizeof path, INSTANCE "/%s", name);
	return put_path(path, text);
}

static size_t get_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r;

	if (fd < 0)
		return 0;
	while (n < size && (r = read(fd, to + n, size - n)) > 0)
		n += r;
	close(fd);
	return n;
}

/* Payloads of records, key NUL value NUL, are put together in out. */
static uint32_t used;

static int add(const char *key, const char *value, size_t len)
{
	size_t k = strlen(key) + 1;
	char *to = (char *)out + HEADER + used;

	if (used + k + len + 1 > MAX_SEND)
		return 0;
	memcpy(to, key, k);
	for (size_t i = 0; i < len; i++)
		to[k + i] = value[i] ? value[i] : ' ';
	to[k + len] = 0;
	used += k + len + 1;
	return 1;
}

static int add_file(const char *key, const char *path)
{
	static char text[MAX_FILE];
	size_t n = get_file(path, text, sizeof text);

	return n && add(key, text, n);
}

static void send_formats(void)
{
	char path[160];

	used = 0;
	add_file("header_page", TRACING "/events/header_page");
	for (unsigned i = 0; i < EVENTS; i++) {
		snprintf(path, sizeof path, INSTANCE "/events/%s/format", events[i].name);
		add_file(events[i].name, path);
	}
	send_out(FORMATS, run, used);
}

/* An instance has what the kernel's options are when it is made. Its events have
 * the numbers of processes, and we know their names: that the kernel notes down
 * the name at each switch between them would be for nobody. */
static int make_instance(void)
{
	char on[2] = "";
	int r, err;

	get_file(RECORD_CMD, on, 1);
	if (*on == '1')
		put_path(RECORD_CMD, "0");
	r = mkdir(INSTANCE, 0755);
	err = errno;
	if (*on == '1')
		put_path(RECORD_CMD, "1");
	errno = err;
	return r;
}

/* Rmdir alone undoes everything, unless somebody looks into the instance. */
static void remove_instance(void)
{
	if (rmdir(INSTANCE) < 0 && errno == EBUSY)
		put_file("events/enable", "0");
}

static int drain(void)
{
	int pages = 0;

	while (pages < MAX_DRAIN) {
		uint8_t *page = out + HEADER;
		ssize_t n = read(raw, page, PAGE);
		uint32_t commit, len;

		if (n < 16)
			break;
		/* u64 time, u32 commit: the length of the data, whether events were
		 * lost before them, and whether their number stands behind them. */
		commit = get32(page + 8);
		len = 12 + (commit & 0xfffff) + (commit & 1u << 30 ? 4 : 0);
		send_out(PAGES, run, len < n ? len : n);
		pages++;
	}
	return pages;
}

static void forget_target(struct target *t)
{
	for (unsigned i = 0; i < FILES && t->disk[0]; i++)
		if (t->fds[i] >= 0)
			close(t->fds[i]);
	memset(t, 0, sizeof *t);
}

static void forget_targets(void)
{
	for (int i = 0; i < MAX_TARGETS; i++)
		forget_target(&targets[i]);
}

static void stop(void)
{
	if (!running)
		return;
	put_file("events/enable", "0");
	drain();
	close(raw);
	close(mounts);
	raw = mounts = -1;
	running = 0;
	forget_targets();
	remove_instance();
	send_frame(STOPPED, run, "", 0);
}

static const char *start(uint32_t id, uint32_t ms, uint32_t flags)
{
	char path[160];
	int got = 0, tells = 0;

	stop();
	run = id;
	if (make_instance() < 0 && errno != EEXIST)
		return "there is no trace instance to be had";
	if (put_file("trace_clock", "x86-tsc") < 0) {
		remove_instance();
		return "the kernel has no trace clock x86-tsc";
	}
	put_file("buffer_size_kb", BUFFER_KB);
	put_file("buffer_percent", "0");
	put_file("tracing_on", "1");
	raw = open(INSTANCE "/per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (raw < 0) {
		remove_instance();
		return "the trace buffer cannot be read";
	}
	mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	running = 1;
	interval = ms < MIN_INTERVAL ? MIN_INTERVAL : ms > MAX_INTERVAL ? MAX_INTERVAL : ms;
	samples = 0;
	send_formats();
	if (flags & TELL_HOST)
		tells = put_file("tell_host", "1") == 0; /* another kernel has no such file, and fills pages */
	for (unsigned i = 0; i < EVENTS; i++) {
		if (flags & events[i].flag)
			continue;
		snprintf(path, sizeof path, "events/%s/filter", events[i].name);
		/* For each event the kernel takes as long to see whether it fits as to make it,
		 * and the host sees that at once. In the buffer it would be a flood of reads. */
		if (events[i].filter && !tells && put_file(path, events[i].filter) < 0)
			continue;
		snprintf(path, sizeof path, "events/%s/enable", events[i].name);
		got += put_file(path, "1") == 0;
	}
	if (!got) {
		stop();
		return "the kernel has none of the trace events";
	}
	names_wanted = mounts_changed = 1;
	gather_until = 0;
	wanted = 1;
	last_sample = now_ms() - interval;
	return NULL;
}

static uint32_t hash(const char *p, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ (uint8_t)*p++) * 16777619u;
	return h | 1; /* 0: nothing was sent */
}

static struct target *find_target(const char *disk)
{
	for (int i = 0; i < MAX_TARGETS; i++)
		if (!strcmp(targets[i].disk, disk))
			return &targets[i];
	return NULL;
}

/* Opens the files of a disk if it is a target, and there is room for one more. */
static struct target *open_target(const char *disk)
{
	char path[NAME_MAX + 64];
	struct target *t = find_target("");
	size_t n;

	snprintf(path, sizeof path, "/sys/block/%s/pblk", disk);
	if (!t || strlen(disk) >= sizeof t->disk || access(path, F_OK) < 0)
		return NULL;
	strcpy(t->disk, disk);
	snprintf(path, sizeof path, "/sys/block/%s/dev", disk);
	n = get_file(path, t->dev, sizeof t->dev - 1);
	while (n && isspace((unsigned char)t->dev[n - 1]))
		n--;
	t->dev[n] = 0;
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "/sys/block/%s/pblk/%s", disk, files[i]);
		t->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	return t;
}

/* -1 when it is gone; there may be another one of its name. */
static int sample_target(struct target *t, unsigned count)
{
	static char text[MAX_FILE];
	char key[128];

	snprintf(key, sizeof key, "disk/%s", t->disk);
	add(key, t->dev, strlen(t->dev));
	for (unsigned i = 0; i < count; i++) {
		ssize_t n = pread(t->fds[i], text, sizeof text, 0);
		uint32_t h;

		if (n < 0 && errno == ENODEV)
			return -1;
		h = hash(text, n > 0 ? n : 0);
		if (n <= 0 || h == t->sent[i])
			continue;
		snprintf(key, sizeof key, "pblk/%s/%s", t->disk, files[i]);
		if (add(key, text, n))
			t->sent[i] = h;
	}
	return 0;
}

static void sample_disk(const char *disk, unsigned count)
{
	struct target *t = find_target(disk);
	uint32_t before = used;

	if (t && sample_target(t, count) < 0) {
		forget_target(t);
		used = before;
		t = NULL;
	}
	if (t) {
		t->seen = 1;
		return;
	}
	t = open_target(disk);
	if (!t)
		return;
	t->seen = 1;
	if (sample_target(t, FILES) < 0) {
		forget_target(t);
		used = before;
	}
}

static void sample_targets(unsigned count)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;

	if (!dir)
		return;
	for (int i = 0; i < MAX_TARGETS; i++)
		targets[i].seen = 0;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			sample_disk(e->d_name, count);
	closedir(dir);
	for (int i = 0; i < MAX_TARGETS; i++)
		if (!targets[i].seen)
			forget_target(&targets[i]);
}

/* The names of the processes there are: of later ones the events tell. */
static void sample_names(void)
{
	static char text[16384];
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	if (!dir)
		return;
	while ((e = readdir(dir)) && n + 64 < sizeof text) {
		char path[NAME_MAX + 16], name[32];
		size_t len;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
		len = get_file(path, name, sizeof name);
		if (len)
			n += snprintf(text + n, sizeof text - n, "%s %.*s\n", e->d_name,
				      (int)strcspn(name, "\n") < (int)len ? (int)strcspn(name, "\n") : (int)len, name);
	}
	closedir(dir);
	add("names", text, n);
}

static void sample(void)
{
	/* The same clock as the events': the page has to convert one only. */
	uint64_t now = __builtin_ia32_rdtsc();

	put32(out + HEADER, now);
	put32(out + HEADER + 4, now >> 32);
	used = 8;
	if (names_wanted)
		sample_names();
	sample_targets(wanted == 1 || samples % ALL_EVERY == 0 ? FILES : LIVELY);
	samples++;
	if (mounts_changed)
		add_file("mounts", "/proc/self/mountinfo");
	names_wanted = mounts_changed = 0;
	send_out(SAMPLE, run, used);
	last_sample = now_ms();
	wanted--;
}

static void handle(uint8_t type, uint32_t id, const uint8_t *p, uint32_t len)
{
	const char *why;

	switch (type) {
	case START:
		if (len != 8 || get32(p + 4) & ~(NO_DIRTY_PAGES | TELL_HOST | NO_CHUNK_STATES))
			return send_error(id, "malformed START");
		why = start(id, get32(p), get32(p + 4));
		if (why)
			send_error(id, why);
		break;
	case STOP:
		if (running)
			stop();
		else
			send_frame(STOPPED, id, "", 0);
		break;
	case PING:
		send_u32(HELLO, id, VERSION);
		break;
	case NUDGE:
		if (running)
			wanted = 2;
		break;
	default:
		send_error(id, "unknown frame type");
	}
}

/* Milliseconds until there is something to do, or -1. */
static int until_next(void)
{
	int64_t now = now_ms(), left = -1;

	if (!running)
		return -1;
	if (wanted)
		left = last_sample + interval - now;
	if (gather_until && (!wanted || gather_until - now < left))
		left = gather_until - now;
	else if (!wanted)
		return -1;
	return left < 0 ? 0 : left;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/hvc1";

	signal(SIGPIPE, SIG_IGN);
	/* It runs seldom and shortly, and what it comes too late for is lost. */
	setpriority(PRIO_PROCESS, 0, -5);
	remove_instance(); /* of one that was killed */
	open_console(path);

	for (;;) {
		/* While events gather, more of them must not wake us. */
		struct pollfd f[3] = {
			{ .fd = tty, .events = POLLIN },
			{ .fd = gather_until ? -1 : raw, .events = POLLIN },
			{ .fd = mounts, .events = POLLPRI },
		};

		poll(f, 3, until_next());
		if (running) {
			if (f[2].revents) {
				mounts_changed = 1;
				wanted = 2;
			}
			if (f[1].revents)
				gather_until = now_ms() + GATHER_MS;
			if (gather_until && now_ms() >= gather_until) {
				gather_until = 0;
				if (drain())
					wanted = 2;
			}
			if (wanted && now_ms() >= last_sample + interval)
				sample();
		}
		if (f[0].revents)
			receive(path);
	}
}
