// SPDX-License-Identifier: MIT
// labd: runs commands for the page over a virtio console. See PROTOCOL.md.
//
// One process, one poll loop. The console and the pipes of the commands are
// the only things it waits for; SIGCHLD arrives through a signalfd.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define VERSION 2u
#define MAX_PAYLOAD (1u << 20)
#define TOO_LONG "frame over 1 MiB"
#define MAX_OUTPUT (32u << 10)
#define MAX_SEND MAX_OUTPUT
#define MAX_JOBS 64
#define MAX_ENTROPY 512
#define WAKE_MS 5000
#define DRAIN_MS 150 /* for what a child that outlives its shell still writes */

enum { EXEC = 1, KILL = 2, PING = 3, WINSIZE = 4, CLOCK = 5, ENTROPY = 6, WAKE = 7 };
enum { OUTPUT = 0x81, EXIT = 0x82, HELLO = 0x83, ERROR = 0x84 };

static void handle(uint8_t type, uint32_t id, const uint8_t *p, uint32_t len);

#include "frames.h"

struct job {
	int used;
	uint32_t id;
	pid_t pid;
	int pipe;         /* read end, or -1 once it is at its end */
	int done;         /* the shell has exited */
	int32_t status;
	int left;         /* bytes in the pipe when the shell exited: all go out */
	int64_t deadline; /* when EXIT goes out even if the pipe stays open */
};

static struct job jobs[MAX_JOBS];
static sigset_t old_mask;

/* The WAKE that has not been answered yet. */
static struct {
	int pending;
	uint32_t id;
	int namespaces;
	int64_t deadline;
} waking;

static struct job *find_job(uint32_t id)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].used && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

static void exec_command(uint32_t id, const uint8_t *text, uint32_t len)
{
	struct job *j = NULL;
	char *cmd;
	int p[2];
	pid_t pid;

	if (find_job(id) || (waking.pending && waking.id == id))
		return send_error(id, "a command with this id is still running");
	for (int i = 0; i < MAX_JOBS && !j; i++)
		if (!jobs[i].used)
			j = &jobs[i];
	if (!j)
		return send_error(id, "too many commands at once");
	if (memchr(text, 0, len))
		return send_error(id, "the command has a NUL byte in it");
	cmd = strndup((const char *)text, len);
	if (!cmd || pipe2(p, O_CLOEXEC) < 0) {
		free(cmd);
		return send_error(id, strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		sigprocmask(SIG_SETMASK, &old_mask, NULL);
		signal(SIGPIPE, SIG_DFL);
		dup2(null, 0);
		dup2(p[1], 1);
		dup2(p[1], 2);
		if (null > 2)
			close(null);
		setenv("HOME", "/root", 1);
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
		setenv("TERM", "dumb", 1); /* there is no terminal: no colours */
		if (chdir("/root") < 0 && chdir("/") < 0)
			_exit(126);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		dprintf(2, "labd: /bin/sh: %s\n", strerror(errno));
		_exit(127);
	}
	free(cmd);
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return send_error(id, strerror(errno));
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	*j = (struct job){ .used = 1, .id = id, .pid = pid, .pipe = p[0] };
}

/* The namespaces that are there, down to the device node, which comes last.
 * They are counted: their numbers may have gaps. */
static int count_namespaces(void)
{
	DIR *dir = opendir("/sys/class/nvme/nvme0");
	struct dirent *e;
	int count = 0;

	if (!dir)
		return 0;
	while ((e = readdir(dir))) {
		char dev[sizeof "/dev/" + sizeof e->d_name];
		const char *n = e->d_name + 6;

		if (strncmp(e->d_name, "nvme0n", 6) || !*n || n[strspn(n, "0123456789")])
			continue;
		snprintf(dev, sizeof dev, "/dev/%s", e->d_name);
		if (access(dev, F_OK) == 0)
			count++;
	}
	closedir(dir);
	return count;
}

/* Answers the pending WAKE if its disk is there or its time is up. */
static void look(void)
{
	int there;

	if (!waking.pending)
		return;
	there = count_namespaces() >= waking.namespaces;
	if (!there && now_ms() < waking.deadline)
		return;
	waking.pending = 0;
	send_u32(EXIT, waking.id, there ? 0 : 1);
}

static void handle(uint8_t type, uint32_t id, const uint8_t *p, uint32_t len)
{
	struct job *j;

	switch (type) {
	case EXEC:
		exec_command(id, p, len);
		break;
	case KILL:
		/* setsid() made the shell the leader of its own group. */
		j = find_job(id);
		if (!j)
			send_error(id, "no such command");
		else if (kill(-j->pid, SIGKILL) < 0 && !j->done)
			kill(j->pid, SIGKILL); /* not yet through setsid() */
		break;
	case PING:
		send_u32(HELLO, id, VERSION);
		break;
	case WINSIZE: {
		struct winsize ws = { 0 };
		char dev[16];
		int fd;

		if (len != 6 || p[0] > 63)
			return send_error(id, "malformed WINSIZE");
		ws.ws_col = p[2] | p[3] << 8;
		ws.ws_row = p[4] | p[5] << 8;
		snprintf(dev, sizeof dev, "/dev/ttyS%d", p[0]);
		fd = open(dev, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, TIOCSWINSZ, &ws) < 0)
			send_error(id, strerror(errno));
		if (fd >= 0)
			close(fd);
		break;
	}
	case CLOCK: {
		uint64_t ms;
		struct timeval tv;

		if (len != 8)
			return send_error(id, "malformed CLOCK");
		ms = get32(p) | (uint64_t)get32(p + 4) << 32;
		tv.tv_sec = ms / 1000;
		tv.tv_usec = ms % 1000 * 1000;
		if (settimeofday(&tv, NULL) < 0)
			send_error(id, strerror(errno));
		break;
	}
	case ENTROPY: {
		/* struct rand_pool_info, with room for the bytes it ends in */
		struct {
			int bits, bytes;
			uint8_t data[MAX_ENTROPY];
		} pool;
		int fd;

		if (len < 1 || len > MAX_ENTROPY)
			return send_error(id, "malformed ENTROPY");
		pool.bits = len * 8;
		pool.bytes = len;
		memcpy(pool.data, p, len);
		/* A generator that was seeded goes on from its own state for
		 * about a minute: it has to be told to take the bytes now. */
		fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 ||
		    ioctl(fd, RNDRESEEDCRNG) < 0)
			send_error(id, strerror(errno));
		if (fd >= 0)
			close(fd);
		break;
	}
	case WAKE: {
		int fd;

		if (len != 2)
			return send_error(id, "malformed WAKE");
		if (waking.pending)
			return send_error(id, "another WAKE is pending");
		if (find_job(id))
			return send_error(id, "a command with this id is still running");
		fd = open("/sys/bus/pci/rescan", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "1", 1) < 0) {
			send_error(id, strerror(errno));
		} else {
			waking.pending = 1;
			waking.id = id;
			waking.namespaces = p[0] | p[1] << 8;
			waking.deadline = now_ms() + WAKE_MS;
			look();
		}
		if (fd >= 0)
			close(fd);
		break;
	}
	default:
		send_error(id, "unknown frame type");
	}
}

/* At most one frame per job and round, so that one command that floods its
 * pipe doesn't keep the others, or a KILL, waiting. True if it read anything. */
static int pump(struct job *j)
{
	static uint8_t buf[MAX_OUTPUT];
	size_t n = 0;

	while (j->pipe >= 0 && n < sizeof buf) {
		ssize_t r = read(j->pipe, buf + n, sizeof buf - n);

		if (r > 0) {
			n += r;
		} else if (r < 0 && errno == EINTR) {
			continue;
		} else {
			if (r == 0 || errno != EAGAIN) {
				close(j->pipe);
				j->pipe = -1;
			}
			break;
		}
	}
	if (n)
		send_frame(OUTPUT, j->id, buf, n);
	j->left -= n;
	return n > 0;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].used && !jobs[i].done && jobs[i].pid == pid) {
				jobs[i].done = 1;
				if (jobs[i].pipe < 0 || ioctl(jobs[i].pipe, FIONREAD, &jobs[i].left) < 0)
					jobs[i].left = 0;
				jobs[i].deadline = now_ms() + DRAIN_MS;
				jobs[i].status = WIFSIGNALED(status) ?
					128 + WTERMSIG(status) : WEXITSTATUS(status);
			}
}

/* EXIT goes out when the shell is gone and its output is drained: at the end
 * of the pipe, or when a background child holds it open and time is up. */
static void finish(struct job *j)
{
	if (!j->done || (j->pipe >= 0 && (j->left > 0 || now_ms() < j->deadline)))
		return;
	if (j->pipe >= 0)
		close(j->pipe);
	send_u32(EXIT, j->id, j->status);
	j->used = 0;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/hvc0";
	sigset_t mask;
	int sfd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	signal(SIGPIPE, SIG_IGN);
	sfd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (sfd < 0)
		return 1;
	open_console(path);

	for (;;) {
		struct pollfd f[2 + MAX_JOBS];
		int n = 2, timeout = waking.pending ? 1 : -1;

		f[0] = (struct pollfd){ .fd = tty, .events = POLLIN };
		f[1] = (struct pollfd){ .fd = sfd, .events = POLLIN };
		for (int i = 0; i < MAX_JOBS; i++) {
			if (!jobs[i].used)
				continue;
			f[n++] = (struct pollfd){ .fd = jobs[i].pipe, .events = POLLIN };
			if (jobs[i].done) {
				int64_t left = jobs[i].deadline - now_ms();

				left = left < 0 ? 0 : left;
				if (timeout < 0 || left < timeout)
					timeout = left;
			}
		}
		poll(f, n, timeout);

		if (f[1].revents) {
			struct signalfd_siginfo si;

			while (read(sfd, &si, sizeof si) > 0)
				;
		}
		/* Reap before pumping: whatever a shell wrote is then in its
		 * pipe already, and the pump below sees it and the end. */
		reap();
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].used) {
				pump(&jobs[i]);
				finish(&jobs[i]);
			}
		look();
		if (f[0].revents)
			receive(path);
	}
}
