-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Result database of mmu2d, described column by column in mmu2d-db(5). This file is the schema
-- itself: the build embeds it in the program, and a database whose tables or views differ from it
-- is refused.
--
-- No column holds a wall-clock time or anything else that differs between two equal runs, so equal
-- runs give equal bytes. Integers are 64 bits: a value v >= 2^63 is stored as v - 2^64 (two's
-- complement), which printf('%u', v) and printf('0x%x', v) show unsigned.

PRAGMA application_id = 1296904772; -- 'MM2D'
PRAGMA user_version = 1;

CREATE TABLE runs (
	id INTEGER PRIMARY KEY,
	program_version TEXT NOT NULL, -- of the mmu2d that ran it
	command_line TEXT NOT NULL,
	trace TEXT NOT NULL, -- path as given
	trace_sha256 TEXT, -- of the file's bytes; NULL if the trace was a pipe
	machine TEXT NOT NULL,
	mmu TEXT NOT NULL, -- native, npt, ept or recorded
	timing TEXT NOT NULL, -- functional, blocking or overlapped
	seed INTEGER NOT NULL,
	n_vcpus INTEGER NOT NULL CHECK (n_vcpus BETWEEN 1 AND 65536),
	refs INTEGER NOT NULL, -- memory references replayed
	cycles INTEGER NOT NULL, -- all vCPUs and causes together
	interrupted INTEGER NOT NULL CHECK (interrupted IN (0, 1)), -- 1: stopped early by a signal
	digest TEXT NOT NULL -- SHA-256 of this row and of all rows that belong to it
) STRICT;

-- The full configuration after all defaults, files and --set were applied.
CREATE TABLE configs (
	id INTEGER PRIMARY KEY, -- canonical order
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	UNIQUE (run_id, key)
) STRICT;

-- What each counter counts.
CREATE TABLE counter_kinds (
	name TEXT PRIMARY KEY,
	description TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE vcpus (
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	vcpu INTEGER NOT NULL,
	clock INTEGER NOT NULL, -- cycles at the end
	PRIMARY KEY (run_id, vcpu)
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	vcpu INTEGER NOT NULL,
	name TEXT NOT NULL REFERENCES counter_kinds (name),
	value INTEGER NOT NULL,
	PRIMARY KEY (run_id, vcpu, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE cycles (
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	vcpu INTEGER NOT NULL,
	cause TEXT NOT NULL,
	class TEXT NOT NULL, -- base, walk, software or cross_cpu; follows from the cause
	cycles INTEGER NOT NULL,
	PRIMARY KEY (run_id, vcpu, cause)
) STRICT, WITHOUT ROWID;

-- Histogram: walks by the number of table entries they read. Absent rows are zero.
CREATE TABLE walk_refs (
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	vcpu INTEGER NOT NULL,
	refs INTEGER NOT NULL CHECK (refs BETWEEN 0 AND 63), -- 63: 63 or more
	walks INTEGER NOT NULL,
	PRIMARY KEY (run_id, vcpu, refs)
) STRICT, WITHOUT ROWID;

-- Time series: the state of all vCPUs together after so many references.
CREATE TABLE samples (
	id INTEGER PRIMARY KEY,
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	ref INTEGER NOT NULL,
	cycles INTEGER NOT NULL, -- since the start
	UNIQUE (run_id, ref)
) STRICT;

-- Counters at a sample, accumulated since the start. Absent rows are zero.
CREATE TABLE sample_counters (
	sample_id INTEGER NOT NULL REFERENCES samples (id) ON DELETE CASCADE,
	name TEXT NOT NULL REFERENCES counter_kinds (name),
	value INTEGER NOT NULL,
	PRIMARY KEY (sample_id, name)
) STRICT, WITHOUT ROWID;

-- What flushes cost. Absent rows are zero.
CREATE TABLE flush_bill (
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	vcpu INTEGER NOT NULL,
	cause TEXT NOT NULL,
	count INTEGER NOT NULL, -- operations
	direct_cycles INTEGER NOT NULL, -- of the operations themselves
	indirect_cycles INTEGER NOT NULL, -- of the walks that re-created what they dropped
	dropped INTEGER NOT NULL, -- cached translations
	refilled INTEGER NOT NULL, -- of these, re-created by a later walk
	over_flushed INTEGER NOT NULL, -- of these, re-created unchanged
	PRIMARY KEY (run_id, vcpu, cause)
) STRICT, WITHOUT ROWID;

CREATE TABLE violations (
	id INTEGER PRIMARY KEY,
	run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
	invariant TEXT NOT NULL,
	ref INTEGER NOT NULL, -- ordinal of the reference in the trace
	vcpu INTEGER NOT NULL,
	story TEXT NOT NULL
) STRICT;

CREATE INDEX violations_run ON violations (run_id);

-- Views: all vCPUs of a run together, with shares and ratios. Exact for values below 2^63.

CREATE VIEW counters_view AS
SELECT c.run_id, c.name, sum(c.value) AS value,
	1000.0 * sum(c.value) / nullif(r.refs, 0) AS per_1000_refs, k.description
FROM counters AS c JOIN runs AS r ON r.id = c.run_id JOIN counter_kinds AS k USING (name)
GROUP BY c.run_id, c.name;

CREATE VIEW cycles_view AS
SELECT c.run_id, c.class, c.cause, sum(c.cycles) AS cycles,
	1.0 * sum(c.cycles) / nullif(r.cycles, 0) AS share,
	1.0 * sum(c.cycles) / nullif(r.refs, 0) AS per_ref
FROM cycles AS c JOIN runs AS r ON r.id = c.run_id
GROUP BY c.run_id, c.class, c.cause;

CREATE VIEW walk_refs_view AS
SELECT run_id, refs, sum(walks) AS walks,
	1.0 * sum(walks) / sum(sum(walks)) OVER (PARTITION BY run_id) AS share
FROM walk_refs
GROUP BY run_id, refs;

CREATE VIEW tlb_view AS
WITH t (structure, hit, miss) AS (
	VALUES ('l1d', 'l1d_hits', 'l1d_misses'), ('l1i', 'l1i_hits', 'l1i_misses'),
		('l2', 'l2_hits', 'l2_misses'), ('ntlb', 'ntlb_hits', 'ntlb_misses')
)
SELECT h.run_id, t.structure, h.value AS hits, m.value AS misses,
	1.0 * m.value / nullif(h.value + m.value, 0) AS miss_ratio
FROM t JOIN counters_view AS h ON h.name = t.hit
	JOIN counters_view AS m ON m.name = t.miss AND m.run_id = h.run_id;

CREATE VIEW samples_view AS
WITH s AS (
	SELECT run_id, ref, cycles,
		sum(value) FILTER (WHERE name = 'l1d_hits') AS l1d_hits,
		sum(value) FILTER (WHERE name = 'l1d_misses') AS l1d_misses,
		sum(value) FILTER (WHERE name = 'l1i_hits') AS l1i_hits,
		sum(value) FILTER (WHERE name = 'l1i_misses') AS l1i_misses,
		sum(value) FILTER (WHERE name = 'l2_hits') AS l2_hits,
		sum(value) FILTER (WHERE name = 'l2_misses') AS l2_misses
	FROM samples LEFT JOIN sample_counters ON sample_id = samples.id
	GROUP BY samples.id
), d AS (
	SELECT run_id, ref,
		ref - lag(ref, 1, 0) OVER w AS refs,
		cycles - lag(cycles, 1, 0) OVER w AS cycles,
		ifnull(l1d_hits, 0) - ifnull(lag(l1d_hits) OVER w, 0) AS l1d_hits,
		ifnull(l1d_misses, 0) - ifnull(lag(l1d_misses) OVER w, 0) AS l1d_misses,
		ifnull(l1i_hits, 0) - ifnull(lag(l1i_hits) OVER w, 0) AS l1i_hits,
		ifnull(l1i_misses, 0) - ifnull(lag(l1i_misses) OVER w, 0) AS l1i_misses,
		ifnull(l2_hits, 0) - ifnull(lag(l2_hits) OVER w, 0) AS l2_hits,
		ifnull(l2_misses, 0) - ifnull(lag(l2_misses) OVER w, 0) AS l2_misses
	FROM s WINDOW w AS (PARTITION BY run_id ORDER BY ref)
)
SELECT run_id, ref, refs, cycles,
	1.0 * l1d_misses / nullif(l1d_hits + l1d_misses, 0) AS l1d_miss_ratio,
	1.0 * l1i_misses / nullif(l1i_hits + l1i_misses, 0) AS l1i_miss_ratio,
	1.0 * l2_misses / nullif(l2_hits + l2_misses, 0) AS l2_miss_ratio
FROM d;

CREATE VIEW flush_bill_view AS
SELECT run_id, cause, sum(count) AS count, sum(direct_cycles) AS direct_cycles,
	sum(indirect_cycles) AS indirect_cycles, sum(dropped) AS dropped,
	sum(refilled) AS refilled, sum(over_flushed) AS over_flushed
FROM flush_bill
GROUP BY run_id, cause;

CREATE VIEW violations_view AS
SELECT v.run_id, r.trace, printf('%u', v.ref) AS ref, v.vcpu, v.invariant, v.story
FROM violations AS v JOIN runs AS r ON r.id = v.run_id;

CREATE VIEW runs_view AS
SELECT r.id, r.trace, r.machine, r.mmu, r.timing, printf('0x%016x', r.seed) AS seed, r.n_vcpus,
	r.refs, r.cycles, 1.0 * r.cycles / nullif(r.refs, 0) AS cycles_per_ref,
	(SELECT value FROM counters_view WHERE run_id = r.id AND name = 'walks') AS walks,
	(SELECT 1.0 * sum(refs * walks) / nullif(sum(walks), 0) FROM walk_refs
		WHERE run_id = r.id) AS refs_per_walk,
	(SELECT miss_ratio FROM tlb_view WHERE run_id = r.id AND structure = 'l1d')
		AS l1d_miss_ratio,
	(SELECT miss_ratio FROM tlb_view WHERE run_id = r.id AND structure = 'l2')
		AS l2_miss_ratio,
	(SELECT count(*) FROM violations WHERE run_id = r.id) AS violations, r.interrupted
FROM runs AS r;
