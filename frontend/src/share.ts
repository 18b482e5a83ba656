/** The page of a shared conversation, for everybody who has its link. */
import "./app.css";
import "./print.css";
import { mount } from "svelte";
import { language, loadTexts } from "./i18n/catalogue.svelte";
import { applyToDocument } from "./preferences.svelte";
import SharedPage from "./share/SharedPage.svelte";

applyToDocument(language());
await loadTexts();
mount(SharedPage, { target: document.getElementById("app")! });
