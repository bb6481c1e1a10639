/**
 * The paths of the pages that the source of a router names, such as `/customers/$id`. Pure. The build writes them beside the page, so that
 * the server answers with the page at these addresses and with 404 at every other one.
 *
 * @throws if a route has neither a literal path nor an id: then the list would miss a page.
 */
export function readPages(source: string): string[] {
  const code = source.replace(/^\s*\/\/.*$/gm, '');
  const routes = code.split(/\bcreateRoute\(/).slice(1);
  const paths = routes.flatMap((route) => {
    const [, path] = /(?:\.\.\.route\(|\bpath: )'(\/[^']*)'/.exec(route) ?? [];
    if (path === undefined && !/\bid: '/.test(route))
      throw new Error(`A route of router.tsx has no literal path, so no server can know it: ${route.slice(0, 80)}`);
    return path ?? [];
  });
  return [...new Set(paths)];
}
