// The built dashboard on Workers: static assets of the deployment, served through the application for its headers.
import type { AppOptions, DashboardFile } from '../app.ts';

/** Files of the assets binding; addresses without a file are the page itself, which knows its own addresses. */
export function assetsDashboard(assets: Pick<Fetcher, 'fetch'>): NonNullable<AppOptions['dashboard']> {
  const readOne = async (path: string): Promise<DashboardFile | undefined> => {
    // The name is not looked at: the binding serves one deployment's files.
    const answer = await assets.fetch(new URL(path, 'https://assets'));
    if (!answer.ok) return undefined;
    return {
      body: new Uint8Array(await answer.arrayBuffer()),
      contentType: answer.headers.get('content-type') ?? 'application/octet-stream',
      cacheControl: path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    };
  };
  return async ({ path, isNavigation }) => {
    const isFile = /\.[^./]+$/.test(path);
    if (isFile) return readOne(path);
    return path === '/' || isNavigation ? readOne('/index.html') : undefined;
  };
}
