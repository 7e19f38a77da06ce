/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decode on one thread, simulate on another: a few batches go round between them. A batch is handed
 * over as soon as its first references are decoded, so that short traces gain too. The order of
 * references is the file's, so the result does not depend on the threads.
 *
 * Signals go to the decoding thread: only there can a read of a silent pipe block, which a signal
 * ends.
 */
#include <pthread.h>
#include <signal.h>

#include "sim/base/error.h"
#include "sim/replay/replay-private.h"

#define N_BATCHES 2

typedef struct {
	M2dBatch batch;
	bool early; /* handed over while being decoded */
	gint done;  /* the fields below are valid */
	int status; /* of m2d_trace_reader_next() */
	uint64_t bytes, total;
	GError *error;
} M2dParcel;

typedef struct {
	M2dTraceReader *reader;
	GAsyncQueue *empty, *full;
	gint stop;
	M2dParcel *decoding;
	M2dParcel parcel[N_BATCHES];
} M2dPipeline;

static void hand_over_early(M2dBatch *batch, void *data)
{
	M2dPipeline *p = data;

	p->decoding->early = true;
	g_async_queue_push(p->full, p->decoding);
}

static gpointer decode_thread(gpointer data)
{
	M2dPipeline *p = data;

	for (;;) {
		M2dParcel *parcel = p->decoding = g_async_queue_pop(p->empty);
		bool early, end;

		parcel->early = false;
		g_atomic_int_set(&parcel->done, 0);
		parcel->status =
			g_atomic_int_get(&p->stop)
				? 0
				: m2d_trace_reader_next(p->reader, &parcel->batch, &parcel->error);
		parcel->bytes = m2d_trace_reader_bytes(p->reader, &parcel->total);
		early = parcel->early;
		end = parcel->status <= 0;
		/* From here on the parcel may be the other thread's. */
		g_atomic_int_set(&parcel->done, 1);
		if (!early)
			g_async_queue_push(p->full, parcel);
		if (end)
			return NULL;
	}
}

/* The decoding thread has left the references behind it; what remains takes no time. */
static void wait_done(M2dParcel *parcel)
{
	for (unsigned tries = 0; !g_atomic_int_get(&parcel->done); tries++) {
		if (tries < 256)
			m2d_pause();
		else
			g_usleep(20);
	}
}

static bool consume(M2dReplay *r, M2dPipeline *p, GError **error)
{
	bool ok = true;

	for (;;) {
		M2dParcel *parcel = g_async_queue_pop(p->full);

		if (parcel->early) {
			if (ok && !r->interrupted)
				ok = m2d_replay_records(r, &parcel->batch, error);
			if (!ok)
				g_atomic_int_set(&p->stop, 1);
			wait_done(parcel);
		}
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
			if (!parcel->early)
				ok = m2d_replay_records(r, &parcel->batch, error);
			m2d_replay_account(r, &parcel->batch);
			if (ok && r->opt.progress != NULL &&
			    !r->opt.progress(r->refs, parcel->bytes, parcel->total,
					     r->opt.progress_data))
				r->interrupted = true;
			if (!ok || r->interrupted)
				g_atomic_int_set(&p->stop, 1);
		}
		g_async_queue_push(p->empty, parcel);
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
	m2d_trace_reader_set_early(reader, hand_over_early, p);
	p->empty = g_async_queue_new();
	p->full = g_async_queue_new();
	for (int i = 0; i < N_BATCHES; i++)
		g_async_queue_push(p->empty, &p->parcel[i]);
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
	m2d_trace_reader_set_early(reader, NULL, NULL);
	for (int i = 0; i < N_BATCHES; i++)
		m2d_batch_clear(&p->parcel[i].batch);
	g_async_queue_unref(p->empty);
	g_async_queue_unref(p->full);
	if (ok) {
		result = m2d_replay_finish(r);
		result->seconds = (double)(g_get_monotonic_time() - start) / 1e6;
	}
	return result;
}
