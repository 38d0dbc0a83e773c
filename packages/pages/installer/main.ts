import { mount } from 'svelte';
import Installer from './Installer.svelte';

// @ts-expect-error Types of browsers would be seen by all other packages too.
mount(Installer, { target: document.body });
