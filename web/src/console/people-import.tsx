import type { Session } from "@konferenco/protocol";
import { useRef, useState } from "preact/hooks";
import { callApi, inWords } from "../common/api.ts";
import { counted } from "../common/words.ts";

interface ImportResult {
  added: number;
  updated: number;
  refused: number;
  /** The first of the refused lines. */
  problems: { line: number; detail: string }[];
}

const EXAMPLE = `personId,name,role,company,interests,lookingFor,tagId,consent,level
p-001,Ada Lovelace,speaker,Analytical Engines,AI;mathematics,collaborators,tag-001,yes,zone
`;

/** The server's limit: 200,000 lines of 80 bytes. Said here, so that nobody waits for an upload that is refused. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

export function PeopleImport({ session }: { session: Session }) {
  const input = useRef<HTMLInputElement>(null);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const [result, setResult] = useState<(ImportResult & { fileName: string }) | null>(null);

  const load = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    setFault(null);
    setResult(null);
    if (file.size > MAX_FILE_BYTES) return setFault(`${file.name} is larger than 16 MB.`);
    setBusy(true);
    try {
      const answer = await callApi<ImportResult>("people/import", { method: "POST", token: session.token, text: { type: "text/csv", content: file } });
      setResult({ ...answer, fileName: file.name });
    } catch (error) {
      setFault(`Nothing was imported. ${inWords(error)}`);
    } finally {
      setBusy(false);
      // The same file, corrected, can be chosen again.
      if (input.current !== null) input.current.value = "";
    }
  };

  return (
    <section class="card form" aria-labelledby="import-title">
      <h2 id="import-title">Import people</h2>
      <p class="small muted">
        A CSV file with the columns personId, name, role, company, interests (separated by ;), lookingFor, tagId, consent (yes or no) and level. Without consent nothing about a person is shown.{" "}
        <a href={`data:text/csv;charset=utf-8,${encodeURIComponent(EXAMPLE)}`} download="people.csv">
          Example file
        </a>
      </p>
      <label class="drop" data-busy={isBusy} onDragOver={(event) => event.preventDefault()} onDrop={(event) => (event.preventDefault(), void load(event.dataTransfer?.files[0]))}>
        <input ref={input} class="visually-hidden" type="file" accept=".csv,text/csv" disabled={isBusy} onChange={(event) => void load(event.currentTarget.files?.[0])} data-testid="import-file" />
        <span class="drop-word">{isBusy ? "Importing…" : "Choose a CSV file"}</span>
        <span class="muted small">or drop it here</span>
      </label>
      {fault !== null && (
        <p class="note bad" role="alert">
          {fault}
        </p>
      )}
      {result !== null && (
        <div role="status" data-testid="import-result">
          <p class={`note ${result.refused === 0 ? "ok" : "warn"}`}>
            {result.fileName}: {counted(result.added, "person", "people")} added, {result.updated} updated
            {result.refused > 0 && `, ${counted(result.refused, "line", "lines")} refused`}.
          </p>
          {result.problems.length > 0 && (
            <ul class="refused small">
              {result.problems.map(({ line, detail }) => (
                <li key={line}>
                  <b>Line {line}</b> {detail}
                </li>
              ))}
              {result.refused > result.problems.length && <li class="muted">… and {result.refused - result.problems.length} more</li>}
            </ul>
          )}
        </div>
      )}
    </section>
  );
}
