export { openSystem, type System, type SystemOptions } from "./up/system.ts";
export { openSite, requireSite, brokerCredentialsOf, secretOf, type Site } from "./site.ts";
