import fs from "node:fs";
import path from "node:path";
import { CLIENT_ERRORS, CLOSE_CODES, REFUSAL_CODES } from "@konferenco/protocol";
import { describe, expect, it } from "vitest";

// What we believe about the code, enforced (style rule 10). Sizes and taste are for reading, not for a test.

const root = path.resolve(import.meta.dirname, "..");
const PACKAGES = ["protocol", "broker", "fusion", "bridge", "gateway-agent", "simulators", "client", "web", "cli"];

interface SourceFile {
  name: string;
  packageName: string;
  text: string;
}

function sourcesOf(packageName: string): SourceFile[] {
  const folder = path.join(root, packageName, "src");
  if (!fs.existsSync(folder)) return [];
  return (fs.readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => /\.tsx?$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => ({ name: `${packageName}/src/${name}`, packageName, text: fs.readFileSync(path.join(folder, name), "utf8") }));
}

const sources = PACKAGES.flatMap(sourcesOf);

/** The code without comments: a rule about code must not be broken by a sentence. */
function codeOf(file: SourceFile): string {
  return file.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

function offenders(files: SourceFile[], pattern: RegExp): string[] {
  return files.filter((file) => pattern.test(codeOf(file))).map((file) => file.name);
}

function importsOf(file: SourceFile): string[] {
  return [...file.text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1] as string);
}

describe("the cores", () => {
  const cores = sources.filter((file) => file.name.includes("/core/"));

  it("there are cores to look at", () => {
    expect(cores.length).toBeGreaterThan(8);
  });

  it("read no clock and roll no dice", () => {
    expect(offenders(cores, /\bDate\.now\(|new Date\(\)|performance\.now\(|Math\.random\(|randomUUID|process\.hrtime|setTimeout\(|setInterval\(/)).toEqual([]);
  });

  it("do no input or output", () => {
    const doing = cores.filter((file) => importsOf(file).some((name) => name.startsWith("node:") || ["ioredis", "mqtt", "ws", "aedes", "jose"].includes(name)));
    expect(doing.map((file) => file.name)).toEqual([]);
  });
});

describe("the layers", () => {
  const allowed: Record<string, string[]> = {
    protocol: [],
    broker: ["protocol"],
    fusion: ["protocol"],
    bridge: ["protocol", "fusion"],
    "gateway-agent": ["protocol"],
    simulators: ["protocol"],
    client: ["protocol"],
    web: ["protocol", "client"],
    cli: PACKAGES,
  };

  it.each(PACKAGES)("%s imports only what lies below it", (packageName) => {
    const foreign = sourcesOf(packageName).flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith("@konferenco/"))
        .map((name) => name.split("/")[1] as string)
        .filter((name) => !(allowed[packageName] as string[]).includes(name))
        .map((name) => `${file.name} imports ${name}`),
    );
    expect(foreign).toEqual([]);
  });

  it("packages are entered by their public door alone", () => {
    const backdoors = sources.flatMap((file) => importsOf(file).filter((name) => /^@konferenco\/[^/]+\/./.test(name)).map((name) => `${file.name}: ${name}`));
    const climbing = sources.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith("."))
        .filter((name) => !path.join(path.dirname(file.name), name).startsWith(`${file.packageName}/`))
        .map((name) => `${file.name}: ${name}`),
    );
    expect([...backdoors, ...climbing]).toEqual([]);
  });

  it("the bridge takes the store of fusion and what reaches disk and Redis, nothing that locates", () => {
    const STORE = ["Store", "emptyBatch", "FollowEvent", "LogPage", "RedisLink", "lockFolder", "FolderLock", "remedyFor", "syncFolder", "systemCode", "KeyRing", "SubjectKey", "personSubject", "tagSubject"];
    const names = sourcesOf("bridge").flatMap((file) =>
      [...codeOf(file).matchAll(/import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"@konferenco\/fusion"/g)].flatMap((match) =>
        (match[1] as string).split(",").map((name) => name.replace(/\btype\b/, "").trim()),
      ),
    );
    expect(names.filter((name) => !STORE.includes(name))).toEqual([]);
  });

  it("protocol depends on zod alone, the client on nothing", () => {
    const read = (name: string) => JSON.parse(fs.readFileSync(path.join(root, name, "package.json"), "utf8")) as { dependencies?: object };
    expect(Object.keys(read("protocol").dependencies ?? {})).toEqual(["zod"]);
    expect(Object.keys(read("client").dependencies ?? {}).filter((name) => name !== "@konferenco/protocol")).toEqual([]);
  });
});

describe("privacy", () => {
  it("only privacy.ts makes a VisibleUpdate", () => {
    const elsewhere = sources.filter((file) => file.name !== "bridge/src/core/privacy.ts");
    expect(offenders(elsewhere, /as\s+(unknown\s+as\s+)?VisibleUpdate\b/)).toEqual([]);
  });

  it("fusion never learns who carries a tag", () => {
    expect(offenders(sourcesOf("fusion"), /\bpersonId\b|\bPersonId\b|\bProfile\b|\bConsent\b|\bPrivacySettings\b/)).toEqual([]);
  });

  it("the broker never reads payloads", () => {
    expect(offenders(sourcesOf("broker"), /JSON\.parse\(.*payload|parseBeaconReport|parseAlertMessage/)).toEqual([]);
  });
});

describe("the words", () => {
  it("there is no utils file, no default export, no enum", () => {
    expect(sources.filter((file) => /(utils|helpers)\.tsx?$/.test(file.name)).map((file) => file.name)).toEqual([]);
    expect(offenders(sources, /^export default /m)).toEqual([]);
    expect(offenders(sources, /^\s*(export\s+)?(const\s+)?enum\s/m)).toEqual([]);
  });

  it("every test runs", () => {
    const tests = (fs.readdirSync(path.join(root, "test"), { recursive: true }) as string[]).filter((name) => name.endsWith(".test.ts"));
    expect(tests.filter((name) => /\b(it|test|describe)\.(skip|todo|only)\b/.test(fs.readFileSync(path.join(root, "test", name), "utf8").replace(/^.*\\b.*$/gm, "")))).toEqual([]);
  });

  it("the benches start the bridge with the flags of the image", () => {
    const flags = (file: string) => (fs.readFileSync(path.join(root, file), "utf8").match(/^(?:ENTRYPOINT|export const BRIDGE_FLAGS).*$/m)?.[0].match(/"--[\w-]+=\d+"/g) ?? []);
    expect(flags("bench/support/scene.ts").length).toBeGreaterThan(0);
    expect(flags("bench/support/scene.ts")).toEqual(flags("Dockerfile"));
  });

  it("every error that a user can meet has its line in docs/errors.md", () => {
    const page = fs.readFileSync(path.join(root, "docs/errors.md"), "utf8");
    const words = [...REFUSAL_CODES, ...Object.keys(CLIENT_ERRORS), ...Object.values(CLOSE_CODES).map(String), "STORE_UNAVAILABLE", "CONFIG_BAD"];
    expect(words.filter((word) => !page.includes(word))).toEqual([]);
  });

  it("every setting read from the environment has its line in docs/settings.md", () => {
    const page = fs.readFileSync(path.join(root, "docs/settings.md"), "utf8");
    const settings = new Set(sources.flatMap((file) => [...codeOf(file).matchAll(/\b(KONFERENCO_[A-Z_]+|BROKER_URL|STORE_URL)\b/g)].map((match) => match[1] as string)));
    expect([...settings].filter((setting) => !page.includes(setting))).toEqual([]);
  });
});
