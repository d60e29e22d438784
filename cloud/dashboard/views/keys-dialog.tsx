// The list of keyboard shortcuts.
import { shortcuts } from '../state/shortcuts.ts';
import { useDashboard } from './dashboard-context.ts';
import { Dialog } from './dialog.tsx';

export function KeysDialog() {
  const { isHelpOpen } = useDashboard();
  if (!isHelpOpen.value) return null;
  return (
    <Dialog
      title="Keys"
      onClose={() => {
        isHelpOpen.value = false;
      }}
    >
      <dl class="keys">
        {shortcuts.map((shortcut) => (
          <div key={shortcut.does}>
            <dt>
              <kbd>{shortcut.shown}</kbd>
            </dt>
            <dd>{shortcut.words}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>Enter</kbd>
          </dt>
          <dd>Send; with Shift, a new line</dd>
        </div>
      </dl>
    </Dialog>
  );
}
