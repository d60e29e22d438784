// The header of a detail pane: a back button on small screens, a title and actions.
import type { ComponentChildren } from 'preact';
import { formatRoute, parentOf } from '../route.ts';
import { useDashboard } from './dashboard-context.ts';
import { Icon } from './icon.tsx';

export function DetailHeader(props: {
  mark?: ComponentChildren;
  title: ComponentChildren;
  line?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const { router } = useDashboard();
  const parent = parentOf(router.current.value);
  return (
    <header class="detail-header">
      {parent && (
        <a
          class="icon-button back"
          href={formatRoute(parent)}
          aria-label="Back"
          onClick={(event) => {
            event.preventDefault();
            router.up();
          }}
        >
          <Icon name="back" />
        </a>
      )}
      {props.mark}
      <div class="detail-title">
        <h1>{props.title}</h1>
        {props.line && <p>{props.line}</p>}
      </div>
      {props.children}
    </header>
  );
}
