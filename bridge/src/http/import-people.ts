import { levelSchema, minLevel, parseId, profileSchema, type Level, type PersonId, type PrivacySettings, type TagId, defaultPrivacySettings, ROLES } from "@konferenco/protocol";
import { parseCsv, type CsvRow } from "../core/csv.ts";
import type { PeopleDesk } from "../people-desk.ts";
import { RegistryRefusal, type Registry } from "../registry/registry.ts";
import { ClientError } from "./router.ts";

const IMPORT_COLUMNS = ["personId", "name", "role", "company", "interests", "lookingFor", "tagId", "consent", "level"] as const;
type Column = (typeof IMPORT_COLUMNS)[number];

/** Rows written at once: enough that a durable write's wait is shared, in order for each person (each is there once). */
const WRITES_AT_ONCE = 32;
/** Refused rows that are listed; all are counted. */
const MAX_LISTED = 200;
const IMPORT_CONSENT_VERSION = "import";

export interface ImportResult {
  added: number;
  updated: number;
  refused: number;
  problems: { line: number; detail: string }[];
}

export interface ImportOptions {
  registry: Registry;
  desk: PeopleDesk;
  nowMs: () => number;
}

/** People from a CSV text. A bad row costs only itself and is reported by its line; a bad header refuses the file. */
export async function importPeople(text: string, { registry, desk, nowMs }: ImportOptions): Promise<ImportResult> {
  const { rows, unclosed } = parseCsv(text);
  const [header, ...records] = rows;
  const columns = headerOf(header);
  const result: ImportResult = { added: 0, updated: 0, refused: 0, problems: [] };
  const refuseRow = (line: number, detail: string) => {
    result.refused++;
    if (result.problems.length < MAX_LISTED) result.problems.push({ line, detail });
  };
  const seen = new Map<string, number>();
  const pending = records[Symbol.iterator]();
  const worker = async () => {
    for (let next = pending.next(); next.done !== true; next = pending.next()) {
      const row = next.value;
      const parsed = row.line === unclosed ? "a quote is opened and never closed" : parseRow(row, columns, seen);
      if (typeof parsed === "string") refuseRow(row.line, parsed);
      else
        await write(parsed, row.line).catch((error: unknown) => {
          if (!(error instanceof RegistryRefusal)) throw error;
          refuseRow(row.line, error.message);
        });
    }
  };
  const write = async (row: ImportRow, line: number) => {
    const known = await registry.person(row.profile.personId);
    // What a person has chosen for themselves stays: an import may hide more, never show more.
    const withdrawn = known !== null && !known.consent.given && known.consent.atMs > 0;
    const consentChanges = row.consent !== null && row.consent !== known?.consent.given && !(row.consent && withdrawn);
    await desk.putPerson({
      profile: { ...row.profile, connections: known?.profile.connections ?? [] },
      ...(consentChanges ? { consent: { given: row.consent === true, atMs: nowMs(), version: IMPORT_CONSENT_VERSION } } : {}),
      ...(row.level === null ? {} : { settings: settingsWith(row.level, known?.settings) }),
    });
    if (known === null) result.added++;
    else result.updated++;
    if (row.tagId !== null && !(await desk.assignTag(row.tagId, row.profile.personId))) refuseRow(line, `the tag could not be given to "${row.profile.personId}"`);
  };
  await Promise.all(Array.from({ length: WRITES_AT_ONCE }, worker));
  result.problems.sort((a, b) => a.line - b.line);
  return result;
}

function settingsWith(level: Level, known: PrivacySettings | undefined): PrivacySettings {
  return known === undefined ? { ...defaultPrivacySettings(), level } : { ...known, level: minLevel(level, known.level) };
}

interface ImportRow {
  profile: ReturnType<typeof profileSchema.parse>;
  tagId: TagId | null;
  consent: boolean | null;
  level: Level | null;
}

function headerOf(header: CsvRow | undefined): Map<Column, number> {
  const columns = new Map<Column, number>();
  for (const [index, cell] of (header?.cells ?? []).entries()) {
    const name = cell.trim();
    if (!(IMPORT_COLUMNS as readonly string[]).includes(name)) throw new ClientError("bad_request", `line 1: there is no column "${name.slice(0, 40)}"; the columns are ${IMPORT_COLUMNS.join(",")}`);
    if (columns.has(name as Column)) throw new ClientError("bad_request", `line 1: the column "${name}" is there twice`);
    columns.set(name as Column, index);
  }
  for (const needed of ["personId", "name"] as const) if (!columns.has(needed)) throw new ClientError("bad_request", `line 1: the column "${needed}" is missing; the first line names the columns: ${IMPORT_COLUMNS.join(",")}`);
  return columns;
}

/** A map, not an object: a cell may say "constructor". */
const CONSENTS: ReadonlyMap<string, boolean | null> = new Map([["yes", true], ["no", false], ["", null]]);

/** The row, or what is wrong with it. */
function parseRow(row: CsvRow, columns: ReadonlyMap<Column, number>, seen: Map<string, number>): ImportRow | string {
  if (row.cells.length > columns.size) return `${row.cells.length} cells, but the header has ${columns.size} columns: quote cells that hold commas`;
  const cell = (column: Column) => row.cells[columns.get(column) ?? -1]?.trim() ?? "";
  const consent = CONSENTS.get(cell("consent").toLowerCase());
  if (consent === undefined) return `consent is "${cell("consent").slice(0, 40)}" and must be yes or no`;
  const level = levelSchema.nullable().safeParse(cell("level") === "" ? null : cell("level"));
  if (!level.success) return `level is "${cell("level").slice(0, 40)}" and must be precise, zone, venue or hidden`;
  const tagId = cell("tagId");
  const tag = parseId(tagId);
  if (tagId !== "" && !tag.ok) return `tagId: ${tag.detail}`;
  const role = cell("role");
  if (role !== "" && !(ROLES as readonly string[]).includes(role)) return `role is "${role.slice(0, 40)}" and must be one of ${ROLES.join(", ")}`;
  const profile = profileSchema.safeParse({
    personId: cell("personId"),
    name: cell("name"),
    ...(role === "" ? {} : { role }),
    company: cell("company"),
    interests: cell("interests").split(";").map((interest) => interest.trim()).filter((interest) => interest !== ""),
    lookingFor: cell("lookingFor"),
  });
  if (!profile.success) {
    const issue = profile.error.issues[0];
    return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "does not fit"}`;
  }
  const { personId } = profile.data;
  if (isReservedPersonId(personId)) return `personId "${personId}" is reserved for logins`;
  for (const [what, id] of [["personId", personId], ["tagId", tagId]] as const) {
    const before = id === "" ? undefined : seen.get(`${what} ${id}`);
    if (before !== undefined) return `${what} "${id}" is in line ${before} already`;
    seen.set(`${what} ${id}`, row.line);
  }
  return { profile: profile.data, tagId: tagId === "" ? null : tagId, consent, level: level.data };
}

/** Tokens of logins have such subjects; a person's must never look like one. */
export function isReservedPersonId(personId: PersonId): boolean {
  return personId.startsWith("login:");
}
