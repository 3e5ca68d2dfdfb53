;;; A small client of Teamtype's editor protocol for Emacs, written from its description, for tests only. -*- lexical-binding: t -*-

(require 'json)
(require 'subr-x)

(defvar tt-process nil "The program that is spoken to.")
(defvar tt-input "" "Bytes of it that are no message yet.")
(defvar tt-id 0)
(defvar tt-waiting (make-hash-table) "What is to be done with answers, by ID.")
(defvar tt-errors nil)
(defvar tt-cursors (make-hash-table :test 'equal) "Where others are, by user.")
(defvar tt-taken 0 "Edits of the daemon that were made.")
(defvar tt-left 0 "Those that were not, as something had been typed.")
(defvar-local tt-uri nil "The name of this buffer's file, where it is open there.")
(defvar-local tt-own 0 "Edits that were sent.")
(defvar-local tt-theirs 0 "Edits that were made for the daemon.")
(defvar-local tt-shadow "" "The text before the next change.")
(defvar-local tt-is-theirs nil "Whether what changes now is an edit of the daemon's.")

(defun tt-start (root command)
  (let ((default-directory (file-name-as-directory root)))
    (setq tt-process (make-process :name "teamtype" :command command :coding 'binary :noquery t
                                   :connection-type 'pipe :filter #'tt-hear :stderr (get-buffer-create "*teamtype*")))))

(defun tt-say (method params &optional then)
  (let* ((message `(:jsonrpc "2.0" :method ,method :params ,params ,@(when then (list :id (cl-incf tt-id)))))
         (data (json-serialize message)))
    (when then (puthash tt-id then tt-waiting))
    (process-send-string tt-process (format "Content-Length: %d\r\n\r\n%s" (string-bytes data) data))))

(defun tt-hear (_process bytes)
  (setq tt-input (concat tt-input bytes))
  (while (when (string-match "\\`Content-Length: \\([0-9]+\\)\r\n\\(?:[^\r]+\r\n\\)*\r\n" tt-input)
           (let* ((begin (match-end 0)) (end (+ begin (string-to-number (match-string 1 tt-input)))))
             (when (<= end (length tt-input))
               (let ((data (decode-coding-string (substring tt-input begin end) 'utf-8-unix)))
                 (setq tt-input (substring tt-input end))
                 (tt-take (json-parse-string data :object-type 'plist :array-type 'list)))
               t)))))

(defun tt-take (message)
  (let ((params (plist-get message :params)))
    (pcase (plist-get message :method)
      ("edit" (tt-edit (plist-get params :uri) (plist-get params :revision) (plist-get params :delta)))
      ("cursor" (puthash (plist-get params :userid) params tt-cursors))
      ('nil
       (let ((then (gethash (plist-get message :id) tt-waiting)))
         (remhash (plist-get message :id) tt-waiting)
         (if (plist-get message :error)
             (push (plist-get (plist-get message :error) :message) tt-errors)
           (when (functionp then) (funcall then))))))))

(defun tt-open ()
  "Have this buffer's file be live."
  (let ((buffer (current-buffer)) (uri (concat "file://" (url-hexify-string buffer-file-name url-path-allowed-chars))))
    (tt-say "open" `(:uri ,uri :content ,(buffer-substring-no-properties (point-min) (point-max)))
            (lambda ()
              (with-current-buffer buffer
                (setq tt-uri uri tt-own 0 tt-theirs 0 tt-shadow (buffer-substring-no-properties (point-min) (point-max)))
                (add-hook 'after-change-functions #'tt-changed nil t))))))

(defun tt-place (text index)
  "Line and character of an index into a text."
  (let ((line 0) (start 0) (at nil))
    (while (and (setq at (string-search "\n" text start)) (< at index))
      (setq line (1+ line) start (1+ at)))
    `(:line ,line :character ,(- index start))))

(defun tt-changed (begin end length)
  (unless tt-is-theirs
    (let ((from (1- begin)))
      (setq tt-own (1+ tt-own))
      (tt-say "edit" `(:uri ,tt-uri :revision ,tt-theirs
                       :delta [(:range (:start ,(tt-place tt-shadow from) :end ,(tt-place tt-shadow (+ from length)))
                                :replacement ,(buffer-substring-no-properties begin end))])
              #'ignore)
      (tt-say "cursor" `(:uri ,tt-uri :ranges [(:start ,(tt-here) :end ,(tt-here))]))))
  (setq tt-shadow (buffer-substring-no-properties (point-min) (point-max))))

(defun tt-here ()
  `(:line ,(1- (line-number-at-pos nil t)) :character ,(- (point) (line-beginning-position))))

(defun tt-at (place)
  (save-excursion
    (goto-char (point-min))
    (forward-line (plist-get place :line))
    (min (point-max) (+ (point) (plist-get place :character)))))

(defun tt-is-behind (one other)
  "Whether a place is behind another one: of those that begin at one place, what ends later."
  (or (> (car one) (car other)) (and (= (car one) (car other)) (> (cadr one) (cadr other)))))

(defun tt-edit (uri revision delta)
  (dolist (buffer (buffer-list))
    (with-current-buffer buffer
      (when (and tt-uri (equal tt-uri uri))
        (if (/= revision tt-own)
            (setq tt-left (1+ tt-left))
          (setq tt-theirs (1+ tt-theirs) tt-taken (1+ tt-taken))
          (let ((tt-is-theirs t)
                (places (mapcar (lambda (one)
                                  (let ((range (plist-get one :range)))
                                    (list (tt-at (plist-get range :start)) (tt-at (plist-get range :end)) (plist-get one :replacement))))
                                delta)))
            (save-excursion
              (dolist (place (sort (reverse places) #'tt-is-behind))
                (goto-char (car place))
                (delete-region (min (car place) (cadr place)) (max (car place) (cadr place)))
                (insert (caddr place))))))))))
