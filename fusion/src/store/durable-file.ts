import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Replaces a file as a whole: after a crash it holds the old text or the new, never a part. Durable when it resolves. */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Makes created, renamed and deleted names in a folder durable. Windows cannot open folders, and needs no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `ENOSPC`, `EACCES` …, or the empty string. */
export function systemCode(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** What a person can do about a folder that cannot be written. */
export function remedyFor(error: unknown, folder: string): string {
  switch (systemCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return `the disk is full: free some space on the disk that holds ${folder}`;
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `it may not be written: give this user the right to write ${folder}, or choose another data folder`;
    case "ENOTDIR":
    case "EEXIST":
      return `${folder} is not a folder: choose another data folder`;
    case "EMFILE":
    case "ENFILE":
      return "too many files are open: raise the limit (ulimit -n)";
    default:
      return `check the disk that holds ${folder}`;
  }
}
