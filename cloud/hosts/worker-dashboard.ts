// The built dashboard on Workers: static assets of the deployment, served through the application for its headers.
import type { AppOptions, DashboardFile } from '../app.ts';

/** Files of the assets binding; a path without a file answers the page, which routes by itself. */
export function assetsDashboard(assets: Pick<Fetcher, 'fetch'>): NonNullable<AppOptions['dashboard']> {
  const readOne = async (path: string): Promise<DashboardFile | undefined> => {
    // The host name has no meaning: the binding serves the files of this deployment.
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
