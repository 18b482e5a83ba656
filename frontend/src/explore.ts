/** The page on which people explore what language models are. */
import "./app.css";
import "./print.css";
import "./explore/explore.css";
import { mount } from "svelte";
import Explore from "./explore/Explore.svelte";
import { language } from "./i18n/catalogue.svelte";
import { applyToDocument } from "./preferences.svelte";

applyToDocument(language());
mount(Explore, { target: document.getElementById("app")! });
