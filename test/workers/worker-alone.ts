// The Worker under test for a bare workerd, which accepts no other exports than handlers.
export { default, HomeObject } from './worker-under-test.ts';
