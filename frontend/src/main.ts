/** The conversation's page. */
import "./app.css";
import "./print.css";
import { mount } from "svelte";
import App from "./chat/App.svelte";
import { language } from "./i18n/catalogue.svelte";
import { applyToDocument } from "./preferences.svelte";

applyToDocument(language());
document.querySelector<HTMLLinkElement>("link[rel=manifest]")!.href = `/manifests/${language()}.webmanifest`;
mount(App, { target: document.getElementById("app")! });
