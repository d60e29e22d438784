// The Worker under test for a bare workerd, which takes no exports but what it runs.
export { default, HomeObject } from './worker-under-test.ts';
