// The context through which views reach the dashboard's state.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Dashboard } from '../dashboard.ts';

export const DashboardContext = createContext<Dashboard | undefined>(undefined);

export function useDashboard(): Dashboard {
  const dashboard = useContext(DashboardContext);
  if (dashboard === undefined) throw new Error('This view stands outside the dashboard.');
  return dashboard;
}
