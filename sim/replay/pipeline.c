/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decode on one thread, simulate on another: a few batches go round between them. They are pieces
 * of chunks, small enough for short traces to be worked on by both, and of about the size of a
 * second-level cache: lines that still lie in the other processor's cost more than those it has
 * evicted. The order of batches is the file's, so the result does not depend on the threads.
 *
 * Signals go to the decoding thread: only there can a read of a silent pipe block, which a signal
 * ends.
 */
#include <pthread.h>
#include <signal.h>

#include "sim/base/error.h"
#include "sim/replay/replay-private.h"

#define N_BATCHES  4
#define PIECE_REFS (64u << 10)

typedef struct {
	M2dBatch batch;
	int status; /* of m2d_trace_reader_next() */
	uint64_t bytes, total;
	GError *error;
} M2dParcel;

/* A ring: parcel n stands at n % N_BATCHES; each counter is written by one thread only. */
typedef struct {
	M2dTraceReader *reader;
	gint produced, consumed;
	gint stop;
	M2dParcel parcel[N_BATCHES];
} M2dPipeline;

/*
 * Wait until *@counter has passed @old. The other thread is rarely far away, so spin first; then
 * sleep and look again, since waking a sleeper would cost the busy thread more than the wait.
 */
static void wait_past(gint *counter, gint old)
{
	for (unsigned tries = 0; g_atomic_int_get(counter) == old; tries++) {
		if (tries < 1000)
			m2d_pause();
		else
			g_usleep(tries < 20000 ? 10 : 500);
	}
}

static gpointer decode_thread(gpointer data)
{
	M2dPipeline *p = data;

	for (gint n = 0;; n++) {
		M2dParcel *parcel = &p->parcel[n % N_BATCHES];
		bool end;

		if (n >= N_BATCHES)
			wait_past(&p->consumed, n - N_BATCHES);
		parcel->status =
			g_atomic_int_get(&p->stop)
				? 0
				: m2d_trace_reader_next(p->reader, &parcel->batch, &parcel->error);
		parcel->bytes = m2d_trace_reader_bytes(p->reader, &parcel->total);
		end = parcel->status <= 0;
		g_atomic_int_set(&p->produced, n + 1);
		if (end)
			return NULL;
	}
}

static bool consume(M2dReplay *r, M2dPipeline *p, GError **error)
{
	bool ok = true;

	for (gint n = 0;; n++) {
		M2dParcel *parcel = &p->parcel[n % N_BATCHES];

		wait_past(&p->produced, n);
		if (parcel->status < 0) {
			/* A read that the signal ended: what was read before it counts. */
			if (ok && !r->interrupted &&
			    g_error_matches(parcel->error, M2D_ERROR, M2D_ERROR_TRANSIENT) &&
			    r->opt.progress != NULL &&
			    !r->opt.progress(r->refs, parcel->bytes, parcel->total,
					     r->opt.progress_data))
				r->interrupted = true;
			if (ok && !r->interrupted) {
				g_propagate_error(error, g_steal_pointer(&parcel->error));
				ok = false;
			}
			g_clear_error(&parcel->error);
			return ok;
		}
		if (parcel->status == 0)
			return ok;
		if (ok && !r->interrupted) {
			ok = m2d_replay_batch(r, &parcel->batch, error);
			if (ok && r->opt.progress != NULL &&
			    !r->opt.progress(r->refs, parcel->bytes, parcel->total,
					     r->opt.progress_data))
				r->interrupted = true;
			if (!ok || r->interrupted)
				g_atomic_int_set(&p->stop, 1);
		}
		g_atomic_int_set(&p->consumed, n + 1);
	}
}

M2dResult *m2d_replay_run(M2dReplay *r, M2dTraceReader *reader, GError **error)
{
	g_autofree M2dPipeline *p = g_new0(M2dPipeline, 1);
	gint64 start = g_get_monotonic_time();
	M2dResult *result = NULL;
	sigset_t signals, before;
	GThread *thread;
	bool ok = false;

	p->reader = reader;
	m2d_trace_reader_set_piece(reader, PIECE_REFS);
	thread = g_thread_try_new("decode", decode_thread, p, error);
	if (thread == NULL) {
		/* No thread to be had is a limit of the system, not bad input. */
		if (error != NULL && *error != NULL) {
			(*error)->domain = M2D_ERROR;
			(*error)->code = M2D_ERROR_TRANSIENT;
		}
	} else {
		sigemptyset(&signals);
		sigaddset(&signals, SIGINT);
		sigaddset(&signals, SIGTERM);
		pthread_sigmask(SIG_BLOCK, &signals, &before);
		ok = consume(r, p, error);
		g_thread_join(thread);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	m2d_trace_reader_set_piece(reader, 0);
	for (int i = 0; i < N_BATCHES; i++)
		m2d_batch_clear(&p->parcel[i].batch);
	if (ok) {
		result = m2d_replay_finish(r);
		result->seconds = (double)(g_get_monotonic_time() - start) / 1e6;
	}
	return result;
}
