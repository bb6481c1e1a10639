/** @throws if it is not the address of a PostgreSQL database; the error names the setting */
export function requireDatabaseUrl(setting: string, url: string): string {
  if (/^postgres(ql)?:\/\/[^/]/.test(url) && URL.canParse(url)) return url;
  throw new Error(
    `${setting} is not the address of a database: it must look like postgresql://user:password@host:5432/platform.`,
  );
}
