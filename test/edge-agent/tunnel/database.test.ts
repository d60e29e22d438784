// The agent's database file: what is written soon shares the flush of what is written now, and neither harms the other.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AgentDatabase, openDatabase } from '../../../edge-agent/tunnel/database.ts';
import { newFolder } from './sample-events.ts';

let folder: string;
let database: AgentDatabase;
beforeEach(() => {
  folder = newFolder();
  database = openDatabase(folder);
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

function put(name: string): void {
  database.prepare('INSERT INTO facts VALUES (?, ?)').run(name, 'x');
}

function names(of: AgentDatabase): string[] {
  return of
    .prepare('SELECT name FROM facts ORDER BY name')
    .all()
    .map((row) => String(row.name));
}

/** What somebody else reads: only what was committed. */
function committed(): string[] {
  const other = openDatabase(folder);
  try {
    return names(other);
  } finally {
    other.close();
  }
}

describe('the agent’s database', () => {
  it('is for its owner alone, whatever the folder is', () => {
    put('a');
    const modes = readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o077);
    expect(modes.length).toBeGreaterThan(1);
    expect(new Set(modes)).toEqual(new Set([0]));
  });

  it('has a commit on the disk when it returns', () => {
    expect(database.commit(() => put('a'))).toBeUndefined();
    expect(committed()).toEqual(['a']);
  });

  it('shows what is written soon at once, and commits it by itself', async () => {
    database.commitSoon(() => put('a'));
    expect(names(database)).toEqual(['a']);
    expect(committed()).toEqual([]);
    await vi.waitFor(() => expect(committed()).toEqual(['a']));
  });

  it('commits it with the next commit', () => {
    database.commitSoon(() => put('a'));
    database.commit(() => put('b'));
    expect(committed()).toEqual(['a', 'b']);
  });

  it('undoes what failed, and nothing of what was written before', async () => {
    database.commitSoon(() => put('a'));
    const fail = () => {
      put('b');
      throw new Error('no');
    };
    expect(() => database.commit(fail)).toThrow('no');
    expect(() => database.commitSoon(fail)).toThrow('no');
    await vi.waitFor(() => expect(committed()).toEqual(['a']));
  });

  it('leaves no transaction open after a failure', () => {
    for (const write of [() => database.commit(() => put('')), () => database.commitSoon(() => put(''))]) {
      database.exec('PRAGMA query_only = 1');
      expect(write).toThrow(/readonly/);
      database.exec('PRAGMA query_only = 0');
      expect(database.isTransaction).toBe(false);
    }
  });

  it('takes a commit within a commit for a part of it', () => {
    const outer = () => {
      database.commit(() => put('a'));
      database.commitSoon(() => put('b'));
      expect(committed()).toEqual([]);
      throw new Error('no');
    };
    expect(() => database.commit(outer)).toThrow('no');
    expect(names(database)).toEqual([]);
  });

  it('gives back the space of the XML that earlier versions kept of each message', () => {
    database.exec('ALTER TABLE known_messages ADD COLUMN xml TEXT; PRAGMA user_version = 4');
    const insert = database.prepare(
      "INSERT INTO known_messages (udn, id, message_id, epoch, fingerprint, xml) VALUES ('u', ?, ?, 0, 'f', ?)",
    );
    database.commit(() => {
      for (let n = 0; n < 1000; n++) insert.run(`m_${n}`, `${n}`, `<message>${'x'.repeat(1200)}</message>`);
    });
    database.close();
    const path = join(folder, 'agent.db');
    const before = statSync(path).size;
    database = openDatabase(folder);
    expect(statSync(path).size).toBeLessThan(before / 4);
    expect(database.prepare('SELECT count(*) AS messages FROM known_messages').get()).toEqual({ messages: 1000 });
  });

  it('loses nothing when it is closed', () => {
    database.commitSoon(() => put('a'));
    database.close();
    database = openDatabase(folder);
    expect(names(database)).toEqual(['a']);
  });
});
