-- The audit database, version 2. docs/AUDIT.md explains each table; `sinkwell audit verify` compares what
-- it finds with this text, so a changed or missing trigger is a finding.

-- What is fixed when the database is made: `origin`, the log's name in tree heads.
CREATE TABLE meta(
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Streams by number: 16 bytes once, not in every row and index.
CREATE TABLE stream(
  no       INTEGER PRIMARY KEY,
  streamid BLOB NOT NULL UNIQUE CHECK (length(streamid) = 16)
) STRICT;

-- Texts by number; kind: 1 type, 2 agent, 3 run, 4 tenant.
CREATE TABLE name(
  no   INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),
  text TEXT NOT NULL,
  UNIQUE (kind, text)
) STRICT;

-- The log itself: one row per leaf of the Merkle tree, from 0, for ever.
CREATE TABLE leaf(
  leaf     INTEGER PRIMARY KEY,
  stream   INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX leaf_place ON leaf(stream, sequence);

-- The sealed bytes of a leaf and what is looked up in them. Times are nanoseconds since 1970.
CREATE TABLE envelope(
  leaf         INTEGER PRIMARY KEY,
  id           BLOB NOT NULL CHECK (length(id) = 16),
  type         INTEGER NOT NULL,
  agent        INTEGER NOT NULL,
  run          INTEGER,
  tenant       INTEGER,
  time         INTEGER NOT NULL,
  recordedtime INTEGER NOT NULL,
  severity     INTEGER NOT NULL,
  own          INTEGER NOT NULL CHECK (own IN (0, 1)),
  subject      TEXT,
  sealed       TEXT NOT NULL
) STRICT;
CREATE INDEX envelope_id           ON envelope(id);
CREATE INDEX envelope_type         ON envelope(type);
CREATE INDEX envelope_agent        ON envelope(agent);
CREATE INDEX envelope_run          ON envelope(run) WHERE run IS NOT NULL;
CREATE INDEX envelope_tenant       ON envelope(tenant) WHERE tenant IS NOT NULL;
CREATE INDEX envelope_time         ON envelope(time);
CREATE INDEX envelope_recordedtime ON envelope(recordedtime) WHERE own = 0;

-- A leaf whose (stream, sequence) another leaf had claimed before it, with another hash.
CREATE TABLE conflict(
  leaf  INTEGER PRIMARY KEY,
  first INTEGER NOT NULL
) STRICT;

-- Roots of complete subtrees of 256^level leaves.
CREATE TABLE node(
  level INTEGER NOT NULL,
  idx   INTEGER NOT NULL,
  hash  BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- What a sealed `retention` envelope (the leaf `leaf`) allows to be erased: sequences, both ends included.
CREATE TABLE erasure(
  stream INTEGER NOT NULL,
  first  INTEGER NOT NULL,
  last   INTEGER NOT NULL,
  leaf   INTEGER NOT NULL,
  PRIMARY KEY (stream, first, last, leaf)
) STRICT, WITHOUT ROWID;

-- What is left of an erased envelope, besides its leaf: place, event digest and signature, as a line.
CREATE TABLE stub(
  leaf INTEGER PRIMARY KEY,
  stub TEXT NOT NULL
) STRICT;

-- Append-only. The BEFORE INSERT triggers also stop INSERT OR REPLACE, which deletes without asking.
CREATE TRIGGER meta_insert BEFORE INSERT ON meta
WHEN EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER meta_update BEFORE UPDATE ON meta
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER meta_delete BEFORE DELETE ON meta
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

CREATE TRIGGER stream_insert BEFORE INSERT ON stream
WHEN EXISTS (SELECT 1 FROM stream WHERE no = NEW.no OR streamid = NEW.streamid)
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER stream_update BEFORE UPDATE ON stream
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER stream_delete BEFORE DELETE ON stream
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

-- A name may go once no envelope bears it.
CREATE TRIGGER name_insert BEFORE INSERT ON name
WHEN EXISTS (SELECT 1 FROM name WHERE no = NEW.no)
  OR EXISTS (SELECT 1 FROM name WHERE kind = NEW.kind AND text = NEW.text)
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER name_update BEFORE UPDATE ON name
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER name_delete BEFORE DELETE ON name
WHEN EXISTS (SELECT 1 FROM envelope WHERE type = OLD.no)
  OR EXISTS (SELECT 1 FROM envelope WHERE agent = OLD.no)
  OR EXISTS (SELECT 1 FROM envelope WHERE run = OLD.no)
  OR EXISTS (SELECT 1 FROM envelope WHERE tenant = OLD.no)
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

CREATE TRIGGER leaf_insert BEFORE INSERT ON leaf
WHEN NEW.leaf IS NOT (SELECT coalesce(max(leaf) + 1, 0) FROM leaf)
BEGIN SELECT RAISE(ABORT, 'a leaf can only be added at the end of the audit chain'); END;
CREATE TRIGGER leaf_update BEFORE UPDATE ON leaf
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER leaf_delete BEFORE DELETE ON leaf
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

CREATE TRIGGER envelope_insert BEFORE INSERT ON envelope
WHEN NEW.leaf IS NOT (SELECT max(leaf) FROM leaf)
  OR EXISTS (SELECT 1 FROM envelope WHERE leaf = NEW.leaf)
  OR EXISTS (SELECT 1 FROM stub WHERE leaf = NEW.leaf)
BEGIN SELECT RAISE(ABORT, 'an envelope can only be added with its leaf'); END;
CREATE TRIGGER envelope_update BEFORE UPDATE ON envelope
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER envelope_delete BEFORE DELETE ON envelope
WHEN NOT EXISTS (SELECT 1 FROM stub WHERE leaf = OLD.leaf)
BEGIN SELECT RAISE(ABORT, 'an envelope of the audit chain can only become its stub'); END;

CREATE TRIGGER conflict_insert BEFORE INSERT ON conflict
WHEN NEW.leaf IS NOT (SELECT max(leaf) FROM leaf)
  OR EXISTS (SELECT 1 FROM conflict WHERE leaf = NEW.leaf)
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER conflict_update BEFORE UPDATE ON conflict
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER conflict_delete BEFORE DELETE ON conflict
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

CREATE TRIGGER node_insert BEFORE INSERT ON node
WHEN EXISTS (SELECT 1 FROM node WHERE level = NEW.level AND idx = NEW.idx)
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER node_update BEFORE UPDATE ON node
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER node_delete BEFORE DELETE ON node
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

-- Only sinkwell's own `audit.chain` envelopes allow erasures, and only of what came before them.
CREATE TRIGGER erasure_insert BEFORE INSERT ON erasure
WHEN NOT EXISTS (
  SELECT 1 FROM envelope JOIN name ON name.no = envelope.type
  WHERE envelope.leaf = NEW.leaf AND envelope.own = 1 AND name.text GLOB '*audit.chain')
  OR EXISTS (
  SELECT 1 FROM erasure
  WHERE stream = NEW.stream AND first = NEW.first AND last = NEW.last AND leaf = NEW.leaf)
BEGIN SELECT RAISE(ABORT, 'an erasure needs a sealed retention envelope'); END;
CREATE TRIGGER erasure_update BEFORE UPDATE ON erasure
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER erasure_delete BEFORE DELETE ON erasure
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

-- The one transition: an envelope becomes its stub, in one statement.
CREATE TRIGGER stub_insert BEFORE INSERT ON stub
WHEN EXISTS (SELECT 1 FROM stub WHERE leaf = NEW.leaf)
  OR NOT EXISTS (SELECT 1 FROM envelope WHERE leaf = NEW.leaf AND own = 0)
  OR NOT EXISTS (
  SELECT 1 FROM leaf JOIN erasure ON erasure.stream = leaf.stream
    AND leaf.sequence BETWEEN erasure.first AND erasure.last AND leaf.leaf < erasure.leaf
  WHERE leaf.leaf = NEW.leaf)
BEGIN SELECT RAISE(ABORT, 'an envelope becomes a stub only under a retention envelope that covers it'); END;
CREATE TRIGGER stub_erase AFTER INSERT ON stub
BEGIN DELETE FROM envelope WHERE leaf = NEW.leaf; END;
CREATE TRIGGER stub_update BEFORE UPDATE ON stub
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER stub_delete BEFORE DELETE ON stub
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;

-- For people with the sqlite3 command.
CREATE VIEW envelopes AS
SELECT l.leaf, lower(hex(s.streamid)) AS streamid, l.sequence, lower(hex(l.hash)) AS hash,
  t.text AS type, a.text AS agentid, r.text AS runid, n.text AS tenantid, e.subject,
  strftime('%Y-%m-%dT%H:%M:%S', e.time / 1000000000, 'unixepoch')
    || printf('.%09dZ', e.time % 1000000000) AS time,
  e.severity, e.own, e.sealed, e.leaf IS NULL AS erased, c.first AS conflicts_with
FROM leaf l
JOIN stream s ON s.no = l.stream
LEFT JOIN envelope e ON e.leaf = l.leaf
LEFT JOIN name t ON t.no = e.type
LEFT JOIN name a ON a.no = e.agent
LEFT JOIN name r ON r.no = e.run
LEFT JOIN name n ON n.no = e.tenant
LEFT JOIN conflict c ON c.leaf = l.leaf;
