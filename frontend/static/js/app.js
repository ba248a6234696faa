/** Starts Stimulus with every controller of the pages. */
import { Application } from "@hotwired/stimulus";

import AssignmentController from "./controllers/assignment_controller.js";
import BoardController from "./controllers/board_controller.js";
import ClaimController from "./controllers/claim_controller.js";
import CoverController from "./controllers/cover_controller.js";
import EditorController from "./controllers/editor_controller.js";
import GuidelineController from "./controllers/guideline_controller.js";
import MenuController from "./controllers/menu_controller.js";
import PreferencesController from "./controllers/preferences_controller.js";
import PromptController from "./controllers/prompt_controller.js";
import RankingController from "./controllers/ranking_controller.js";
import RateController from "./controllers/rate_controller.js";
import ReaderController from "./controllers/reader_controller.js";
import ReportController from "./controllers/report_controller.js";
import ReviewController from "./controllers/review_controller.js";
import SeenController from "./controllers/seen_controller.js";
import SessionController from "./controllers/session_controller.js";
import ShortcutsController from "./controllers/shortcuts_controller.js";
import TokensController from "./controllers/tokens_controller.js";
import TopicsController from "./controllers/topics_controller.js";
import UseCaseController from "./controllers/use_case_controller.js";

const application = Application.start();
// First, since the forms ask it for the draft when they connect.
application.register("assignment", AssignmentController);
application.register("board", BoardController);
application.register("claim", ClaimController);
application.register("cover", CoverController);
application.register("editor", EditorController);
application.register("guideline", GuidelineController);
application.register("menu", MenuController);
application.register("preferences", PreferencesController);
application.register("prompt", PromptController);
application.register("ranking", RankingController);
application.register("rate", RateController);
application.register("reader", ReaderController);
application.register("report", ReportController);
application.register("review", ReviewController);
application.register("seen", SeenController);
application.register("session", SessionController);
application.register("shortcuts", ShortcutsController);
application.register("tokens", TokensController);
application.register("topics", TopicsController);
application.register("use-case", UseCaseController);
