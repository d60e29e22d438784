// Accounts, homes and the people who own them.
import { GatewayError } from '../../../protocol/errors.ts';
import type { HomeRecord, HomeSettings, HomeStore } from '../home-store.ts';
import { countryFor, type Keying } from '../rules/conversation-rules.ts';
import type { SqliteEngine } from './engine.ts';

interface HomeRow {
  id: string;
  account: string;
  name: string;
  online: number;
  since_ms: number | null;
  agent: string | null;
  settings: string | null;
}

const columns = 'id, account, name, online, since_ms, agent, settings';

export class SqliteHomes implements HomeStore {
  readonly #engine: SqliteEngine;

  constructor(engine: SqliteEngine) {
    this.#engine = engine;
  }

  create(home: { id: string; account: string; name: string; owner: string }): Promise<void> {
    return this.#engine.write(() => {
      this.#engine.run('INSERT INTO accounts VALUES (?) ON CONFLICT DO NOTHING', home.account);
      const made = this.#engine.run(
        'INSERT INTO homes (id, account, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        home.id,
        home.account,
        home.name,
      );
      if (made === 0) return;
      this.#engine.run("INSERT INTO people VALUES (?, ?, 'owner') ON CONFLICT DO NOTHING", home.account, home.owner);
    });
  }

  async idsOf(account: string): Promise<string[]> {
    const rows = this.#engine.all<{ id: string }>('SELECT id FROM homes WHERE account = ? ORDER BY id', account);
    return rows.map(({ id }) => id);
  }

  async get(id: string): Promise<HomeRecord | undefined> {
    return this.#read(id);
  }

  /** @throws GatewayError `not-found` */
  require(id: string): HomeRecord {
    const home = this.#read(id);
    if (home === undefined) throw new GatewayError('not-found', 'There is no such home.');
    return home;
  }

  keyingOf(id: string): Keying {
    const row = this.#engine.get<{ keying: string | null }>('SELECT keying FROM homes WHERE id = ?', id);
    return row?.keying ? (JSON.parse(row.keying) as Keying) : {};
  }

  /** The country for the home's numbers without a country code. */
  countryOf(id: string): string | undefined {
    return countryFor(this.#read(id)?.settings, this.keyingOf(id));
  }

  /** Call it within a write. */
  setKeying(id: string, keying: Keying): void {
    this.#engine.run('UPDATE homes SET keying = ? WHERE id = ?', JSON.stringify(keying), id);
  }

  update(home: HomeRecord): void {
    this.#engine.run(
      'UPDATE homes SET name = ?, online = ?, since_ms = ?, agent = ?, settings = ? WHERE id = ?',
      home.name,
      Number(home.online),
      home.sinceMs,
      home.agent && JSON.stringify(home.agent),
      home.settings === undefined ? null : JSON.stringify(home.settings),
      home.id,
    );
  }

  #read(id: string): HomeRecord | undefined {
    const row = this.#engine.get<HomeRow>(`SELECT ${columns} FROM homes WHERE id = ?`, id);
    return row && toRecord(row);
  }
}

function toRecord(row: HomeRow): HomeRecord {
  return {
    id: row.id,
    account: row.account,
    name: row.name,
    online: row.online === 1,
    sinceMs: row.since_ms,
    agent: row.agent === null ? null : (JSON.parse(row.agent) as HomeRecord['agent']),
    ...(row.settings !== null && { settings: JSON.parse(row.settings) as HomeSettings }),
  };
}
