// The entry point of the web dashboard.
import './styles/colours.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/lists.css';
import './styles/thread.css';
import './styles/composer.css';
import './styles/sessions.css';
import './styles/pages.css';
import { render } from 'preact';
import { Dashboard } from './dashboard.ts';
import { App } from './views/app.tsx';
import { DashboardContext } from './views/dashboard-context.ts';

const root = document.getElementById('app');
if (root !== null) {
  const dashboard = new Dashboard();
  render(
    <DashboardContext.Provider value={dashboard}>
      <App />
    </DashboardContext.Provider>,
    root,
  );
  dashboard.start();
}
