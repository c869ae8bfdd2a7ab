// SPDX-License-Identifier: MIT
// The frames of PROTOCOL.md over one raw console, for labd and watchd: each
// includes this once, after it has said how long frames may be (MAX_PAYLOAD
// received, with TOO_LONG as the answer to more; MAX_SEND sent) and has
// declared handle().

#define MAGIC 0x4D564E4Cu /* "LNVM", little-endian */
#define HEADER 16u

static int tty = -1;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = v, p[1] = v >> 8, p[2] = v >> 16, p[3] = v >> 24;
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void write_all(const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(tty, p, n);

		if (w > 0) {
			p += w;
			n -= w;
		} else if (w < 0 && errno == EAGAIN) {
			struct pollfd f = { .fd = tty, .events = POLLOUT };

			poll(&f, 1, 1000);
		} else if (w < 0 && errno != EINTR) {
			return; /* the console is gone; the main loop will notice */
		}
	}
}

/* What goes out is put together here: header and payload leave in one write,
 * so that a frame is one buffer for the page in the usual case. */
static uint8_t out[HEADER + MAX_SEND];

/* Sends a payload that is in its place in out already. */
static void send_out(uint8_t type, uint32_t id, uint32_t len)
{
	memset(out, 0, HEADER);
	put32(out, MAGIC);
	out[4] = type;
	put32(out + 8, id);
	put32(out + 12, len);
	write_all(out, HEADER + len);
}

static void send_frame(uint8_t type, uint32_t id, const void *data, uint32_t len)
{
	memcpy(out + HEADER, data, len);
	send_out(type, id, len);
}

static void send_u32(uint8_t type, uint32_t id, uint32_t v)
{
	uint8_t b[4];

	put32(b, v);
	send_frame(type, id, b, 4);
}

static void send_error(uint32_t id, const char *text)
{
	send_frame(ERROR, id, text, strlen(text));
}

/* The receive buffer holds one frame of the largest size. Anything that is
 * not the start of a valid frame is skipped byte by byte up to the next magic. */
static uint8_t in[HEADER + MAX_PAYLOAD];
static size_t have;

static void drop(size_t n)
{
	have -= n;
	memmove(in, in + n, have);
}

static void parse(void)
{
	static const uint8_t magic[4] = { 'L', 'N', 'V', 'M' };

	for (;;) {
		size_t at = 0;
		uint32_t len;

		while (at < have && memcmp(in + at, magic, have - at < 4 ? have - at : 4))
			at++;
		if (at)
			drop(at);
		if (have < HEADER)
			return;
		len = get32(in + 12);
		if (in[5] || in[6] || in[7]) {
			drop(1); /* not a header: the zero bytes are not zero */
		} else if (len > MAX_PAYLOAD) {
			send_error(get32(in + 8), TOO_LONG);
			drop(HEADER);
		} else if (have < HEADER + len) {
			return;
		} else {
			handle(in[4], get32(in + 8), in + HEADER, len);
			drop(HEADER + len);
		}
	}
}

static void open_console(const char *path)
{
	struct termios t;

	for (;;) {
		tty = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (tty >= 0)
			break;
		sleep(1);
	}
	if (tcgetattr(tty, &t) == 0) {
		cfmakeraw(&t);
		tcsetattr(tty, TCSANOW, &t);
	}
	have = 0;
	send_u32(HELLO, 0, VERSION);
}

/* The console has something to read, or is gone. */
static void receive(const char *path)
{
	ssize_t r = read(tty, in + have, sizeof in - have);

	if (r > 0) {
		have += r;
		parse();
	} else if (r == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(tty); /* hung up: come back as new */
		sleep(1);
		open_console(path);
	}
}
